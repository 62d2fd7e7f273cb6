"""The scores of a test as metrics.json and metrics.npy."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from simvp import metrics
from simvp.config import Config
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription
from simvp.engine.evaluation import Evaluation, finite_mean
from simvp.metrics.bootstrap import interval
from simvp.storage.files import publish, publish_text

FORECAST, PERSISTENCE, TRAINING_MEAN = "forecast", "persistence", "training_mean"


def write_scores(
    folder: Path,
    evaluations: Mapping[str, Evaluation],
    *,
    dataset: WindowDataset,
    data: DataDescription,
    weights: Path,
    config: Config,
) -> None:
    """Write metrics.json, and metrics.npy, a record with a field for each score.

    Args:
        evaluations: of the forecast and of each baseline.
    """
    forecast = evaluations[FORECAST]
    windows = forecast.per_window()
    record = {
        **_scores(forecast, data),
        "interval": intervals(forecast, dataset),
        "left_out": forecast.left_out(),
        "skill": skill(evaluations),
        "skill_per_step": skill_per_step(evaluations).tolist(),
        "useful_until": useful_until(evaluations),
        **{name: _scores(evaluations[name], data) for name in evaluations if name != FORECAST},
        "samples": {
            window: {name: values[i].item() for name, values in windows.items()}
            for i, window in enumerate(dataset.all_ids())
        },
        "num_samples": len(dataset),
        "weights": str(weights),
        "split": config.data.split,
        "ssim_data_range": config.metrics.ssim_data_range,
    }
    text = json.dumps(_finite(record), indent=1, allow_nan=False)
    publish_text(folder / "metrics.json", text + "\n")
    means = forecast.mean()
    values = np.array(tuple(means.values()), dtype=[(name, "f8") for name in means])
    with publish(folder / "metrics.npy") as path, path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _scores(evaluation: Evaluation, data: DataDescription) -> dict[str, Any]:
    return {
        **evaluation.mean(),
        "per_step": evaluation.per_step(),
        "channels": channel_scores(evaluation, data),
    }


def channel_scores(evaluation: Evaluation, data: DataDescription) -> dict[str, dict[str, Any]]:
    """The scores of each forecast channel in its unit, per step and in all, means over windows."""
    by_step = finite_mean(evaluation.channel_scores)
    found: dict[str, dict[str, Any]] = {}
    for i, channel in enumerate(data.forecast_channels):
        span = data.scaling.span[i]
        values = {
            name: by_step[:, i, j] * (span if metrics.SCORES[name].unit == "channel" else 1.0)
            for j, name in enumerate(metrics.CHANNEL_NAMES)
        }
        found[channel] = {
            "unit": data.card.channel(channel).unit,
            **{name: float(value.nanmean()) for name, value in values.items()},
            "per_step": {name: value.tolist() for name, value in values.items()},
        }
    return found


def intervals(
    evaluation: Evaluation, dataset: WindowDataset
) -> dict[str, tuple[float, float] | None]:
    """The 95 % interval of each mean score; windows of one series count as one block."""
    blocks = dataset.series_ids()
    return {
        name: interval(values.numpy(), blocks) for name, values in evaluation.per_window().items()
    }


def skill(evaluations: Mapping[str, Evaluation]) -> float:
    """1 - mse / mse of persistence, over all steps: 1 is perfect, 0 is as good as persistence.

    Source: Murphy, "Skill scores based on the mean square error", Mon. Weather Rev. 116, 1988.
    """
    forecast, persistence = (evaluations[n].mean()["mse"] for n in (FORECAST, PERSISTENCE))
    return 1 - forecast / persistence if persistence else math.nan


def skill_per_step(evaluations: Mapping[str, Evaluation]) -> Tensor:
    """The skill at each step, (T,); NaN where persistence is exact."""
    mse = {name: _mse_per_step(evaluations[name]) for name in (FORECAST, PERSISTENCE)}
    ratio = mse[FORECAST] / mse[PERSISTENCE]
    return (1 - ratio).where(mse[PERSISTENCE] > 0, math.nan)


def useful_until(evaluations: Mapping[str, Evaluation]) -> int:
    """The last step of the run from the first one whose mse is below that of every baseline.

    0 if it is not below at the first step.
    """
    forecast = _mse_per_step(evaluations[FORECAST])
    baselines = [_mse_per_step(evaluations[n]) for n in evaluations if n != FORECAST]
    for step in range(len(forecast)):
        if any(forecast[step] >= baseline[step] for baseline in baselines):
            return step
    return len(forecast)


def _mse_per_step(evaluation: Evaluation) -> Tensor:
    return finite_mean(evaluation.frame_scores[..., metrics.NAMES.index("mse")])


def _finite(value: Any) -> Any:
    """The same with null where JSON has no number: the PSNR of an exact frame."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
