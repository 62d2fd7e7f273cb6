"""The scores of a test as tables to read, at most 80 columns wide."""

import math
from collections.abc import Mapping

from simvp import metrics
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription
from simvp.engine.evaluation import Evaluation
from simvp.engine.results import (
    FORECAST,
    PERSISTENCE,
    channel_scores,
    intervals,
    skill_per_step,
    useful_until,
)
from simvp.progress import Table


def lines(
    evaluations: Mapping[str, Evaluation], dataset: WindowDataset, data: DataDescription
) -> list[str | Table]:
    """Whether the forecast is of use; each score beside the baselines; those of each channel."""
    return [
        *_verdict(evaluations),
        _scores(evaluations, dataset),
        _directions(),
        *_left_out(evaluations[FORECAST]),
        "",
        _channels(evaluations, data),
        "",
        *_skill(evaluations),
    ]


def _verdict(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """A warning if persistence is better."""
    forecast, persistence = (evaluations[n].mean()["mse"] for n in (FORECAST, PERSISTENCE))
    if forecast < persistence:
        return []
    return [
        f"warning: the forecast is worse than persistence, which repeats the last input frame: mse "
        f"{forecast:.4g} against {persistence:.4g}; train longer, on more data, or with a larger "
        "network",
        "",
    ]


def _scores(evaluations: Mapping[str, Evaluation], dataset: WindowDataset) -> Table:
    means = {name: evaluation.mean() for name, evaluation in evaluations.items()}
    bounds = intervals(evaluations[FORECAST], dataset)
    header = ["score", "forecast", "95 % interval", *(n.replace("_", " ") for n in list(means)[1:])]
    rows = []
    for name in metrics.NAMES:
        between = bounds[name]
        shown = "" if between is None else f"{between[0]:.4g} to {between[1]:.4g}"
        values = [f"{mean[name]:.4f}" for mean in means.values()]
        unit = " (dB)" if metrics.SCORES[name].unit == "dB" else ""
        rows.append([name + unit, values[0], shown, *values[1:]])
    return Table(header, rows)


def _directions() -> str:
    """Which values are better."""
    groups: dict[str, list[str]] = {}
    for name in metrics.NAMES:
        groups.setdefault(metrics.SCORES[name].direction, []).append(name)
    return "; ".join(f"{what} is better: {', '.join(names)}" for what, names in groups.items())


def _left_out(forecast: Evaluation) -> list[str]:
    """Frames that a mean leaves out, because the score is not defined for them."""
    count = forecast.frame_scores.shape[0] * forecast.frame_scores.shape[1]
    return [
        f"{name}: {number} of {count} frames are left out, where it is not defined"
        for name, number in forecast.left_out().items()
    ]


_COLUMNS = {
    "rmse_unit": "RMSE",
    "bias_unit": "bias",
    "vrmse": "VRMSE",
    "spectral_low": "low",
    "spectral_middle": "middle",
    "spectral_high": "high",
}


def _channels(evaluations: Mapping[str, Evaluation], data: DataDescription) -> Table:
    """A row for each channel; RMSE and bias are in its unit, low to high are spectral errors."""
    found = channel_scores(evaluations[FORECAST], data)
    baseline = channel_scores(evaluations[PERSISTENCE], data)
    names = [*_COLUMNS, *(name for name in metrics.CHANNEL_NAMES if name not in _COLUMNS)]
    rows = []
    for channel, scores in found.items():
        cells = ["-" if math.isnan(scores[name]) else f"{scores[name]:.4g}" for name in names]
        cells.insert(1, f"{baseline[channel]['rmse_unit']:.4g}")
        rows.append([data.card.name_of(channel), scores["unit"], *cells])
    titles = [_COLUMNS.get(name, name) for name in names]
    titles.insert(1, "persistence")
    return Table(["channel", "unit", *titles], rows)


def _skill(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """Up to which step the forecast is of use, and its skill at the ends."""
    skill, until = skill_per_step(evaluations), useful_until(evaluations)
    steps = len(skill)
    where = f"up to step {until} of {steps}" if until else f"at none of the {steps} steps"
    first, last = float(skill[0]), float(skill[-1])
    later = f", {last:.3g} at step {steps}" if steps > 1 else ""
    return [
        f"better than the baselines {where}",
        f"skill against persistence: {first:.3g} at step 1{later}",
    ]
