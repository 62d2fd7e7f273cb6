"""`simvp test`: score the best model on the test part, and save every forecast."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from simvp import metrics
from simvp.commands.hints import name_option, short_id
from simvp.config import Config, read_layer, to_toml
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription, read_description
from simvp.data.preparation import prepare
from simvp.data.scaling import Scaling
from simvp.data.sources.frames import write_frames
from simvp.data.split import Split, find_split, read_split
from simvp.engine import build_network, evaluate, score_tables
from simvp.engine.automatic import resolve_auto
from simvp.engine.evaluation import Evaluation, ForecastFunction
from simvp.engine.results import FORECAST, PERSISTENCE, TRAINING_MEAN, write_scores
from simvp.engine.weights import StoredWeights, read_weights
from simvp.errors import RunError
from simvp.progress import Report, Summary
from simvp.runs import FRAME_KINDS, RunFolder
from simvp.runtime import launcher
from simvp.runtime.devices import describe_precision
from simvp.runtime.group import Group
from simvp.storage.files import (
    TEMPORARY_PREFIX,
    in_background,
    publish_text,
    remove_stale,
    replace_folder,
)


def run(config: Config, weights: str, report: Report) -> Summary:
    """Score a run's best model, or the weights in a file. Raises UserError.

    With `weights` no run is needed: the config describes the network, and the run's folder is
    created.
    """
    folder = RunFolder(Path(config.run.work_dir) / config.run.name)
    if not weights:
        folder.check_exists()
    file = folder.find_weights(weights)
    split = read_split(find_split(config.data.split, config.data.path))
    data = _description(folder, split)
    dataset = test_set(config, split, data)
    if launcher.is_needed(config):
        launcher.run(["test", "--weights", str(file)], config)
        return Summary()
    with launcher.join(config) as group, folder.lock(is_main=group.is_main):
        stored = read_weights(file)
        config = resolve_auto(
            config,
            split,
            num_windows=len(dataset),
            device=group.device,
            world_size=group.world_size,
            weights=stored,
        )
        is_changed = (data.card, data.scaling) != (split.data.card, split.data.scaling)
        if group.is_main and is_changed:
            report.say(
                "warning: the data card or scaling differs from the one that the run was trained "
                f"with; units and ranges are taken from {folder.data_file}"
            )
        if group.is_main:
            _warn_of_training_data(folder, split, report)
        return score(config, folder, stored, group, dataset, split, data, report)


def _warn_of_training_data(folder: RunFolder, split: Split, report: Report) -> None:
    """Warn if another split than the run's own tests on samples that the run was trained on."""
    if not folder.config_file.exists():
        return
    trained_on = Path(read_layer(folder.config_file).tables["data"]["split"])
    if trained_on == split.path or not trained_on.exists():
        return
    seen = {
        digits
        for segment in read_split(trained_on).segments("train")
        for digits in segment.checksums
    }
    known = [
        s.series.id for s in split.segments("test") if s.checksums and seen.issuperset(s.checksums)
    ]
    if known:
        report.say(
            f"warning: {len(known)} of the test samples are training samples of this run, so the "
            f"scores are too good: {', '.join(known[:3])}{', ...' if len(known) > 3 else ''}"
        )


def score(
    config: Config,
    folder: RunFolder,
    weights: StoredWeights,
    group: Group,
    dataset: WindowDataset,
    split: Split,
    data: DataDescription,
    report: Report,
) -> Summary:
    """Forecast every window of the test part, save inputs, truths, forecasts and their scores.

    Every process of the group calls this; the folder `saved` appears once all is written.
    """
    report = report if group.is_main else Report()
    prepare([dataset.store], split, config.data.cache, group, report)
    network = build_network(config, data, group.device)
    weights.load_into(network)
    network.eval()
    staging = folder.path / f"{TEMPORARY_PREFIX}saved"
    if group.is_main:
        _make_room(folder, staging, config, data)
    group.wait()
    with report.progress("testing", len(dataset)) as advance, in_background() as call:
        scores = evaluate(
            {FORECAST: network, **baselines(data)},
            dataset,
            config,
            group,
            num_forecast=network.num_forecast,
            advance=advance,
            consume=lambda ids, *frames: call(_save, staging, data.network_scaling, ids, *frames),
        )
    group.wait()  # until the other processes have written their forecasts
    if not group.is_main:
        return Summary()
    _check_finite(scores[FORECAST], dataset, weights.path)
    write_scores(staging, scores, dataset=dataset, data=data, weights=weights.path, config=config)
    replace_folder(staging, folder.saved)
    return Summary(
        [
            *score_tables.lines(scores, dataset, data),
            f"{len(dataset)} test windows, {config.data.pre_seq_length} frames in, "
            f"{config.data.aft_seq_length} forecast, with {weights.path}",
            describe_precision(group.device, config.metrics.precision),
            f"wrote {folder.saved}: inputs, trues, preds, metrics.json, metrics.npy",
        ],
        f"simvp viz {short_id(dataset.id(0))}{name_option(config)}",
    )


def baselines(data: DataDescription) -> dict[str, ForecastFunction]:
    """Forecasts that need no network: persistence, and the mean of the training part if known."""
    found: dict[str, ForecastFunction] = {PERSISTENCE: metrics.persistence}
    if data.mean is not None:
        mean = torch.tensor(data.mean)[:, None, None]

        def training_mean(inputs: Tensor, steps: int) -> Tensor:
            batch, _, channels, height, width = inputs.shape
            return mean.to(inputs).expand(batch, steps, channels, height, width)

        found[TRAINING_MEAN] = training_mean
    return found


def _check_finite(forecast: Evaluation, dataset: WindowDataset, weights: Path) -> None:
    """Raises RunError if a forecast is not finite: its scores would be left out of the means."""
    errors = forecast.frame_scores[..., metrics.NAMES.index("mse")]
    broken = [dataset.id(i) for i in range(len(dataset)) if not errors[i].isfinite().all()]
    if broken:
        raise RunError(
            f"{weights}: the forecast of {len(broken)} samples is not finite, the first one is "
            f"{broken[0]}; use other weights, or train again with a lower --lr"
        )


def _save(staging: Path, scaling: Scaling | None, ids: Sequence[str], *frames: Tensor) -> None:
    """Write inputs, truths and forecasts of a batch as the data's own files hold such values."""
    for kind, batch in zip(FRAME_KINDS, frames, strict=True):
        array = batch.cpu().numpy()
        for window_id, window in zip(ids, array, strict=True):
            if scaling is not None:  # the inputs have more channels
                window = scaling.first(window.shape[1]).to_physical(window)
            write_frames(staging / kind / window_id, window)


def _description(folder: RunFolder, split: Split) -> DataDescription:
    """What the run was trained on: editing the data card afterwards changes no unit.

    Raises: RunError if the split is of other data.
    """
    current = split.data
    if not folder.data_file.exists():  # no run yet, or one of version 1
        return current
    trained = read_description(folder.data_file)
    for name in ("channels", "inputs", "shape", "stored"):
        found, expected = getattr(current, name), getattr(trained, name)
        if found != expected:
            raise RunError(
                f"{split.path}: {name} of the data: {found}, but the run was trained on "
                f"{expected}; choose another split with --data"
            )
    return trained


def _make_room(folder: RunFolder, staging: Path, config: Config, data: DataDescription) -> None:
    folder.check_own()
    if folder.exists():
        remove_stale(folder.path)
        if not folder.data_file.exists():  # a run of version 1
            publish_text(folder.data_file, data.to_json())
    else:
        folder.begin(to_toml(config), data.to_json())
    staging.mkdir()


def test_set(config: Config, split: Split, data: DataDescription) -> WindowDataset:
    """The windows of the test part, scaled as the run was trained, `aft_seq_length` apart."""
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    return WindowDataset(
        split.segments("test"),
        window=pre + aft,
        stride=aft,
        scaling=data.network_scaling,
        may_miss=data.has_missing,
    )
