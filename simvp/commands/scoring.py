"""Score a network on windows of a split, and save inputs, truths, forecasts and scores."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from simvp.commands.hints import short_id, test_option
from simvp.commands.trained_run import describe_weights, is_own
from simvp.config import Config, name_option, to_toml
from simvp.data.batches import WindowDataset
from simvp.data.climatology import Climatology, find_climatology
from simvp.data.description import DataDescription
from simvp.data.frame_store import FrameStore
from simvp.data.preparation import prepare
from simvp.data.scaling import Scaling
from simvp.data.sources.frames import write_frames
from simvp.data.split import Split
from simvp.engine import evaluate, score_tables
from simvp.engine.domain import FORECAST, baselines, build_domain
from simvp.engine.evaluation import Evaluation
from simvp.engine.network import load_trained
from simvp.engine.results import describe, write_scores
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError, RunError
from simvp.metrics import names_for
from simvp.progress import Report, Summary, Table, plural
from simvp.runs import FRAME_KINDS, RunFolder
from simvp.runtime.devices import describe_precision
from simvp.runtime.group import Group
from simvp.storage.files import (
    TEMPORARY_PREFIX,
    convert_os_errors,
    file_digest,
    in_background,
    publish_text,
    remove_stale,
    replace_folder,
)


@dataclass(frozen=True)
class Task:
    """What is scored, and where the results go.

    Attributes:
        data: channels, scaling and units, as the run was trained.
        steps: number of steps to forecast.
        dataset: the windows.
        target: the folder to write.
    """

    split: Split
    data: DataDescription
    part: str
    steps: int
    dataset: WindowDataset
    target: Path


def make_task(
    config: Config,
    folder: RunFolder,
    split: Split,
    data: DataDescription,
    part: str = "test",
    steps: int = 0,
    label: str = "",
) -> Task:
    """The windows to score, as many steps apart as are forecast.

    What is not the test of the run as it was trained goes to a folder of its own.

    Args:
        data: channels, scaling and units, as the run was trained.
        part: "train", "validation" or "test".
        steps: number of steps to forecast; 0 for as many as the run was trained for.
        label: of the weights, if they are not the run's.
    Raises: ConfigError or DataError if no sample is long enough.
    """
    pre, trained = config.data.pre_seq_length, config.data.aft_seq_length
    steps = steps or trained
    segments = split.segments(part)
    longest = max(len(segment.frames) for segment in segments)
    if steps != trained and longest < pre + steps:
        raise ConfigError(
            f"steps = {steps}: the longest {part} sample has {longest} frames, enough for "
            f"{max(0, longest - pre)} steps after {pre} input frames; lower --steps, or leave it "
            "out"
        )
    dataset = WindowDataset(
        segments,
        window=pre + steps,
        stride=steps,
        scaling=data.network_scaling,
        may_miss=data.has_missing,
    )
    words = [] if is_own(folder, split) else [f"{split.source.stem}-{split.path.name[:8]}"]
    words += [label] * bool(label)
    words += [part] * (part != "test")
    words += [f"{steps}-steps"] * (steps != trained)
    target = folder.tests / "-".join(words) if words else folder.saved
    return Task(split, data, part, steps, dataset, target)


def score(
    config: Config,
    folder: RunFolder,
    weights: Sequence[StoredWeights],
    group: Group,
    task: Task,
    report: Report,
) -> Summary:
    """Forecast every window, save inputs, truths, forecasts and their scores.

    Every process of the group calls this; the target folder appears once all is written.

    Args:
        weights: of the network, or of all members of an ensemble.
    """
    report = report if group.is_main else Report()
    data, dataset = task.data, task.dataset
    prepare([dataset.store], task.split, config.data.cache, group, report)
    climatology = _climatology(task, group, report)
    network = load_trained(config, data, weights, group.device)
    staging = task.target.parent / f"{TEMPORARY_PREFIX}{task.target.name}"
    if group.is_main:
        _make_room(folder, staging, config, data)
    group.wait()
    domain = build_domain(data, task.split.data.card, task.split.coordinates, group.device)
    with report.progress("testing", len(dataset)) as advance, in_background() as call:
        scores = evaluate(
            {FORECAST: network, **baselines(data)},
            dataset,
            config,
            group,
            num_forecast=network.num_forecast,
            advance=advance,
            names=names_for(
                domain, has_climatology=climatology is not None, is_ensemble=len(weights) > 1
            ),
            domain=domain,
            climatology=climatology,
            consume=lambda ids, *frames: call(_save, staging, data.network_scaling, ids, *frames),
        )
    group.wait()  # until the other processes have written their forecasts
    if not group.is_main:
        return Summary()
    files = [stored.path for stored in weights]
    _check_finite(scores[FORECAST], dataset, files[0])
    record = describe(scores, dataset, data, domain)
    write_scores(staging, {**record, **_conditions(config, task, files)})
    replace_folder(staging, task.target)
    return _summary(
        config,
        folder,
        task,
        score_tables.lines(record, data, with_steps=task.steps > config.data.aft_seq_length),
        describe_precision(group.device, config.metrics.precision),
        files,
        is_weighted=domain.area is not None,
    )


def _conditions(config: Config, task: Task, weights: Sequence[Path]) -> dict[str, Any]:
    """What was scored, and how."""
    files = [{"weights": str(path), "weights_sha256": file_digest(path)} for path in weights]
    return {
        "part": task.part,
        "steps": task.steps,
        **files[0],
        **({"members": files} if len(files) > 1 else {}),
        "split": config.data.split,
        "ssim_data_range": config.metrics.ssim_data_range,
    }


def _climatology(task: Task, group: Group, report: Report) -> Climatology | None:
    """The climatology of the training part; None if there is none, or it does not fit."""
    segments = task.split.parts.get("train", [])
    if not segments:
        return None
    data, channels = task.data, len(task.data.forecast_channels)
    fill = data.mean or (0.5,) * len(data.channels)
    store = FrameStore(segments, scaling=data.network_scaling, may_miss=True)
    return find_climatology(store, fill[:channels], group, report)


def _make_room(folder: RunFolder, staging: Path, config: Config, data: DataDescription) -> None:
    folder.check_own()
    if folder.exists():
        for parent in {folder.path, staging.parent}:
            remove_stale(parent)
        if not folder.data_file.exists():  # a run of version 1
            publish_text(folder.data_file, data.to_json())
    else:
        folder.begin(to_toml(config), data.to_json())
    with convert_os_errors(staging.parent):
        staging.mkdir(parents=True)


def _check_finite(forecast: Evaluation, dataset: WindowDataset, weights: Path) -> None:
    """Raises RunError if a forecast is not finite: its scores would be left out of the means."""
    errors = forecast.values["mse"]
    broken = [dataset.id(i) for i in range(len(dataset)) if not errors[i].isfinite().all()]
    if broken:
        raise RunError(
            f"{weights}: the forecast of {plural(len(broken), 'sample')} is not finite, the "
            f"first one is {broken[0]}; use other weights, or train again with a lower --lr"
        )


def _save(staging: Path, scaling: Scaling | None, ids: Sequence[str], *frames: Tensor) -> None:
    """Write inputs, truths and forecasts of a batch as the data's own files hold such values."""
    for kind, batch in zip(FRAME_KINDS, frames, strict=True):
        array = batch.cpu().numpy()
        for window_id, window in zip(ids, array, strict=True):
            if scaling is not None:  # the inputs have more channels
                window = scaling.first(window.shape[1]).to_physical(window)
            write_frames(staging / kind / window_id, window)


def _summary(
    config: Config,
    folder: RunFolder,
    task: Task,
    tables: Sequence[str | Table],
    precision: str,
    weights: Sequence[Path],
    *,
    is_weighted: bool,
) -> Summary:
    """The scores, and how they came about."""
    lines = [*tables]
    if is_weighted:
        area = "RMSE, bias, ACC, CRPS and spread" if len(weights) > 1 else "RMSE, bias and ACC"
        lines.append(f"{area} are weighted by the area of the cells")
    frames_in, trained = config.data.pre_seq_length, config.data.aft_seq_length
    lines += [
        *describe_horizon(task.steps, trained),
        f"{plural(len(task.dataset), f'{task.part} window')}, {plural(frames_in, 'frame')} in, "
        f"{task.steps} forecast, with {describe_weights(weights)}",
        precision,
        f"wrote {task.target}: inputs, trues, preds, metrics.json, metrics.npy",
    ]
    is_usual = task.target == folder.saved
    scored = folder if is_usual else RunFolder(folder.path, task.target.name)
    options = name_option(config.run.folder) + test_option(scored)
    return Summary(lines, f"simvp viz {shlex.quote(short_id(task.dataset.id(0)))}{options}")


def describe_horizon(steps: int, trained_steps: int) -> list[str]:
    """A line if a forecast has more steps than its network was trained for."""
    beyond = steps - trained_steps
    return [
        f"the forecast goes {plural(beyond, 'step')} beyond the {plural(trained_steps, 'step')} "
        "that the run was trained for"
    ] * (beyond > 0)
