"""`simvp test`: score the best model on the test split, and save every forecast."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from simvp import metrics
from simvp.commands import setup
from simvp.commands.words import name_option, short_id
from simvp.config import Config, to_toml
from simvp.data import split as splits
from simvp.data.batches import SampleDataset
from simvp.data.card import CARD_NAME, DatasetCard, card_to_toml, read_card
from simvp.data.description import DataDescription, read_description
from simvp.data.frames import write_frames
from simvp.engine import Evaluation, build_network, evaluate
from simvp.engine.weights import load_weights
from simvp.errors import RunError
from simvp.progress import Report, Summary
from simvp.runs import FRAME_KINDS, RunFolder
from simvp.runtime import launcher
from simvp.runtime.group import Group
from simvp.storage.files import (
    TEMPORARY_PREFIX,
    in_background,
    publish,
    publish_text,
    remove_stale,
    replace_folder,
)


def run(config: Config, weights: str, report: Report) -> Summary:
    """Score a run's best model, or the weights in a file. Raises UserError.

    With weights of its own it needs no run: the config describes the network, and the folder of
    the run is made.
    """
    folder = RunFolder(Path(config.run.work_dir) / config.run.name)
    if not weights:
        folder.check_exists()
    file = Path(weights) if weights else folder.best_model
    if not file.exists():
        hint = "" if weights else "; it appears after the first epoch of `simvp train`"
        raise RunError(f"{file}: there is no such checkpoint{hint}")
    config = setup.resolve(config)
    if launcher.is_needed(config):
        _test_set(config)
        launcher.run(["test", "--weights", str(file)], config)
        return Summary()
    with setup.joined_group(config) as group:
        with setup.sole_writer(folder, group):
            return score(config, folder, file, group, setup.for_rank(report, group))


def score(
    config: Config, folder: RunFolder, weights: Path, group: Group, report: Report
) -> Summary:
    """Forecast every test sample, save inputs, truths and forecasts, and their scores.

    Every process of the group calls this; the folder `saved` appears when all is done.
    """
    dataset = _test_set(config)
    config, precision = setup.choose_precision(config, "metrics", group.device)
    network = build_network(config, dataset.frame_shape, group.device)
    load_weights(network, weights)
    network.eval()
    staging = folder.path / f"{TEMPORARY_PREFIX}saved"
    if group.is_main:
        _make_room(folder, staging, config, dataset)
    group.wait()

    def save(ids: Sequence[str], *frames: Tensor) -> None:
        for kind, batch in zip(FRAME_KINDS, frames, strict=True):
            for sample_id, sample in zip(ids, batch.cpu().numpy(), strict=True):
                write_frames(staging / kind / sample_id, sample)

    with report.progress("testing", len(dataset)) as advance, in_background() as call:
        scores = evaluate(
            {"forecast": network, "persistence": metrics.persistence},
            dataset,
            config,
            group,
            advance=advance,
            consume=lambda ids, *frames: call(save, ids, *frames),
        )
    group.wait()  # the others' forecasts are written as well
    if not group.is_main:
        return Summary()
    forecast, persistence = scores["forecast"], scores["persistence"]
    card = _card(folder, config, report)
    _write_metrics(staging, forecast, persistence, dataset, weights, config, card)
    publish_text(staging / CARD_NAME, card_to_toml(card))
    replace_folder(staging, folder.saved)
    return Summary(
        [
            *_table(forecast, persistence),
            *_in_unit(forecast, dataset, card),
            "",
            f"{len(dataset)} test samples, {config.data.pre_seq_length} frames in, "
            f"{config.data.aft_seq_length} forecast, with {weights}",
            precision,
            f"wrote {folder.saved}: inputs, trues, preds, metrics.json, metrics.npy",
        ],
        f"simvp viz {short_id(dataset.samples[0].id)}{name_option(config)}",
    )


def _card(folder: RunFolder, config: Config, report: Report) -> DatasetCard:
    """The run's own data card, so that editing the data's card changes no unit afterwards."""
    file = Path(config.data.split).parent / CARD_NAME
    current = read_card(file.parent)
    if not folder.data_file.exists():  # a run of an earlier version
        return current
    card = read_description(folder.data_file).card
    if current != card:
        report.say(
            f"warning: {file} is missing or differs from the card that the run was trained with; "
            f"units and ranges are taken from {folder.data_file}"
        )
    return card


def _make_room(folder: RunFolder, staging: Path, config: Config, dataset: SampleDataset) -> None:
    if folder.exists():
        remove_stale(folder.path)
    else:
        card = read_card(Path(config.data.split).parent)
        data = DataDescription(shape=dataset.frame_shape, card=card)
        folder.begin(to_toml(config), data.to_json())
    staging.mkdir()


def _test_set(config: Config) -> SampleDataset:
    samples = splits.read(Path(config.data.split)).part("test")
    length = config.data.pre_seq_length + config.data.aft_seq_length
    return SampleDataset(samples, num_frames=length)


def _write_metrics(
    folder: Path,
    forecast: Evaluation,
    persistence: Evaluation,
    dataset: SampleDataset,
    weights: Path,
    config: Config,
    card: DatasetCard,
) -> None:
    """metrics.json for people and programs; metrics.npy, a record with a field for each metric."""
    means = forecast.mean()
    record = {
        **means,
        "per_step": forecast.per_step(),
        "persistence": {**persistence.mean(), "per_step": persistence.per_step()},
        "samples": {
            sample.id: forecast.per_sample(index) for index, sample in enumerate(dataset.samples)
        },
        "physical": {"unit": card.unit, **_physical(forecast, dataset, card)},
        "num_samples": len(dataset),
        "weights": str(weights),
        "split": config.data.split,
        "ssim_data_range": config.metrics.ssim_data_range,
    }
    text = json.dumps(_finite(record), indent=1, allow_nan=False)
    publish_text(folder / "metrics.json", text + "\n")
    values = np.array(tuple(means.values()), dtype=[(name, "f8") for name in means])
    with publish(folder / "metrics.npy") as path, path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _physical(forecast: Evaluation, dataset: SampleDataset, card: DatasetCard) -> dict[str, float]:
    """Errors in the card's unit: of a frame as `mse` and `mae` are, and of one value."""
    span, means = card.high - card.low, forecast.mean()
    return {
        "mse": means["mse"] * span**2,
        "mae": means["mae"] * span,
        "rmse_per_value": math.sqrt(forecast.loss(dataset.frame_shape)) * span,
    }


def _in_unit(forecast: Evaluation, dataset: SampleDataset, card: DatasetCard) -> list[str]:
    if not card.unit:
        return []
    errors = _physical(forecast, dataset, card)
    return [
        f"in {card.unit}: mse {errors['mse']:.4g}, mae {errors['mae']:.4g} per frame; root mean "
        f"square error of one value {errors['rmse_per_value']:.3g}"
    ]


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for: the PSNR of an exact frame."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(forecast: Evaluation, persistence: Evaluation) -> list[str]:
    """Each metric beside that of persistence, and which way is better."""
    lines = [f"{'':6}{'forecast':>12}{'persistence':>14}"]
    for name, value in forecast.mean().items():
        remark = metrics.SCORES[name].remark
        lines.append(f"{name:6}{value:12.4f}{persistence.mean()[name]:14.4f}   {remark}")
    return lines
