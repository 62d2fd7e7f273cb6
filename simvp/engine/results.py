"""The scores of a test as metrics.json, as metrics.npy and as a table to read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from simvp import metrics
from simvp.config import Config
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription
from simvp.engine.evaluation import Evaluation
from simvp.storage.files import publish, publish_text

_LABELS = {"rmse_unit": "RMSE", "bias_unit": "bias"}


def write_scores(
    folder: Path,
    forecast: Evaluation,
    persistence: Evaluation,
    *,
    dataset: WindowDataset,
    data: DataDescription,
    weights: Path,
    config: Config,
) -> None:
    """Write metrics.json, and metrics.npy, a record with a field for each score."""
    means = forecast.mean()
    windows = {name: forecast.per_window(i) for i, name in enumerate(dataset.all_ids())}
    record = {
        **means,
        "per_step": forecast.per_step(),
        "channels": channel_scores(forecast, data),
        "persistence": {
            **persistence.mean(),
            "per_step": persistence.per_step(),
            "channels": channel_scores(persistence, data),
        },
        "samples": windows,
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


def channel_scores(evaluation: Evaluation, data: DataDescription) -> dict[str, dict[str, Any]]:
    """The scores of each forecast channel in its unit, per step and in all, means over windows."""
    by_step = evaluation.channel_scores.nanmean(dim=0)  # a channel may miss in some frames
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


def _finite(value: Any) -> Any:
    """The same with null where JSON has no number: the PSNR of an exact frame."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(forecast: Evaluation, persistence: Evaluation, data: DataDescription) -> list[str]:
    """Each score beside that of persistence, then those of each channel in its unit."""
    reference = persistence.mean()
    lines = [f"{'':6}{'forecast':>12}{'persistence':>14}"]
    for name, value in forecast.mean().items():
        remark = metrics.SCORES[name].remark
        lines.append(f"{name:6}{value:12.4f}{reference[name]:14.4f}   {remark}")
    lines.append("")
    baseline = channel_scores(persistence, data)
    for channel, scores in channel_scores(forecast, data).items():
        values = [
            f"{_LABELS.get(name, name)} {scores[name]:.4g} (persistence "
            f"{baseline[channel][name]:.4g})"
            for name in metrics.CHANNEL_NAMES
        ]
        lines.append(f"{data.card.label(channel)}: {', '.join(values)}")
    return lines
