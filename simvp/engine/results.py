"""The scores of a test as one record, which is printed and written as metrics.json.

T: steps; C': forecast channels.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
from torch import Tensor

from simvp import metrics
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription
from simvp.engine.domain import FORECAST, PERSISTENCE
from simvp.engine.evaluation import Evaluation
from simvp.metrics import SCORES, Domain
from simvp.storage.files import publish, publish_text

Record = dict[str, Any]


def describe(
    evaluations: Mapping[str, Evaluation],
    dataset: WindowDataset,
    data: DataDescription,
    domain: Domain,
) -> Record:
    """All scores of the forecast, and of each baseline, as numbers; NaN where not defined.

    Args:
        evaluations: of the forecast and of each baseline.
        domain: its events.
    """
    forecast, blocks = evaluations[FORECAST], dataset.series_ids()
    windows = {name: forecast.per_window(name).tolist() for name in metrics.NAMES}
    described = {name: _scores(e, blocks, data, domain) for name, e in evaluations.items()}
    record = {
        **described.pop(FORECAST),
        "left_out": forecast.left_out(),
        **_usefulness({name: _mse(evaluation) for name, evaluation in evaluations.items()}),
        **described,
        "samples": {
            window: {name: values[i] for name, values in windows.items()}
            for i, window in enumerate(dataset.all_ids())
        },
        "num_samples": len(dataset),
    }
    for i, channel in enumerate(data.forecast_channels):
        errors = {name: _channel_mse(evaluation)[:, i] for name, evaluation in evaluations.items()}
        found = record["channels"][channel]
        found |= _usefulness(errors)
        found["vrmse_above_1_from"] = _first_above_1(found["per_step"]["vrmse"])
    return record


def write_scores(folder: Path, record: Record) -> None:
    """Write metrics.json, and metrics.npy, a record with a field for each score of frames."""
    text = json.dumps(_finite(record), indent=1, allow_nan=False)
    publish_text(folder / "metrics.json", text + "\n")
    fields = [(name, "f8") for name in metrics.NAMES]
    values = np.array(tuple(record[name] for name in metrics.NAMES), dtype=fields)
    with publish(folder / "metrics.npy") as path, path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _scores(
    evaluation: Evaluation, blocks: Sequence[str], data: DataDescription, domain: Domain
) -> Record:
    """Each score in all, by step, and its interval; those of channels and events by channel."""
    found = {name: _Numbers(evaluation, name, blocks) for name in evaluation.values}
    record = _named(found, "frame", ...)
    record["channels"] = {}
    for i, channel in enumerate(data.forecast_channels):
        record["channels"][channel] = {
            "unit": data.card.channel(channel).unit,
            **_named(found, "channel", i, data.scaling.span[i]),
        }
    for i, event in enumerate(domain.events):
        events = record["channels"][data.channels[event.channel]].setdefault("events", [])
        events.append({"threshold": event.value, **_named(found, "event", i)})
    return record


class _Numbers:
    """A score in all, by step, and its interval."""

    def __init__(self, evaluation: Evaluation, name: str, blocks: Sequence[str]) -> None:
        self.mean = evaluation.mean(name)
        self.per_step = evaluation.per_step(name)
        self.interval = evaluation.interval(name, blocks)


def _named(
    found: Mapping[str, _Numbers], per: metrics.Per, item: int | EllipsisType, span: float = 1.0
) -> Record:
    """The scores per frame, or of one channel or event, in its unit.

    Args:
        item: number of the channel or event; `...` for frames.
        span: of the channel.
    """
    record: Record = {"per_step": {}, "interval": {}}
    for name, numbers in found.items():
        score = SCORES[name]
        if score.per == per:
            factor = span if score.unit == "channel" else 1.0
            record[name] = factor * float(numbers.mean[item])
            record["per_step"][name] = (factor * numbers.per_step[:, item]).tolist()
            both = numbers.interval
            record["interval"][name] = None if both is None else (factor * both[:, item]).tolist()
    return record


def _mse(evaluation: Evaluation) -> Tensor:
    """Mean squared error at each step, (T,)."""
    return evaluation.per_step("mse")


def _channel_mse(evaluation: Evaluation) -> Tensor:
    """Mean squared error of each channel at each step, (T, C')."""
    terms = SCORES["rmse_unit"].terms(evaluation.values["rmse_unit"].square()).sum(dim=0)
    return terms[..., 0] / terms[..., 1]


def _usefulness(mse: Mapping[str, Tensor]) -> Record:
    """Skill against persistence, in all and by step, and how long every baseline is worse.

    The skill is 1 - mse / mse of persistence: 1 is perfect, 0 is as good as persistence; NaN where
    persistence is exact.

    Args:
        mse: of the forecast and each baseline by step, (T,).
    Source: Murphy, "Skill scores based on the mean square error", Mon. Weather Rev. 116, 1988.
    """
    forecast, persistence = mse[FORECAST], mse[PERSISTENCE]
    ratio = (forecast / persistence).where(persistence > 0, math.nan)
    overall = float(forecast.mean() / persistence.mean()) if persistence.any() else math.nan
    return {
        "skill": 1 - overall,
        "skill_per_step": (1 - ratio).tolist(),
        "useful_until": _useful_until(mse),
    }


def _useful_until(mse: Mapping[str, Tensor]) -> int:
    """The last step of the run from the first one whose mse is below that of every baseline.

    0 if it is not below at the first step.
    """
    baselines = [values for name, values in mse.items() if name != FORECAST]
    for step, error in enumerate(mse[FORECAST]):
        if any(error >= baseline[step] for baseline in baselines):
            return step
    return len(mse[FORECAST])


def _first_above_1(per_step: Sequence[float]) -> int | None:
    """The first step, from 1, at which a score is 1 or more; None if there is none."""
    return next((step for step, value in enumerate(per_step, 1) if value >= 1), None)


def _finite(value: Any) -> Any:
    """The same with null where JSON has no number: the PSNR of an exact frame."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
