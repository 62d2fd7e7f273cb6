"""The record of a test as tables to read, at most 80 columns wide for a few channels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from simvp import metrics
from simvp.data.description import DataDescription
from simvp.engine.domain import PERSISTENCE, TRAINING_MEAN
from simvp.engine.evaluation import CLIMATOLOGY
from simvp.engine.results import Record
from simvp.progress import Table

_MOST_STEPS = 12  # rows of the table of steps
_UNDEFINED = "-"


def lines(record: Record, data: DataDescription, *, with_steps: bool) -> list[str | Table]:
    """Whether the forecast is of use; each score beside the baselines; those of each channel.

    Args:
        record: of `results.describe`.
        with_steps: whether to show the scores of single steps.
    """
    tables = [_channels(record, data), *_ensemble(record, data), *_events(record, data)]
    if with_steps:
        tables.append(_steps(record))
    return [
        *_verdict(record),
        _scores(record),
        _directions(),
        *_remarks(record),
        *[item for table in tables for item in ("", table)],
        "",
        *_usefulness(record, data),
    ]


def _verdict(record: Record) -> list[str]:
    """A warning if persistence is better."""
    forecast, persistence = record["mse"], record[PERSISTENCE]["mse"]
    if forecast < persistence:
        return []
    return [
        f"warning: the forecast is worse than persistence, which repeats the last input frame: mse "
        f"{forecast:.4g} against {persistence:.4g}; train longer, on more data, or with a larger "
        "network",
        "",
    ]


def _scores(record: Record) -> Table:
    baselines = [n for n in (PERSISTENCE, TRAINING_MEAN, CLIMATOLOGY) if n in record]
    header = ["score", "forecast", "95 % interval", *(n.replace("_", " ") for n in baselines)]
    if all(between is None for between in record["interval"].values()):
        header.remove("95 % interval")
    rows = []
    for name in metrics.NAMES:
        between = record["interval"][name]
        shown = [] if between is None else [f"{between[0]:.4g} to {between[1]:.4g}"]
        values = [f"{scores[name]:.4f}" for scores in (record, *(record[n] for n in baselines))]
        rows.append([metrics.SCORES[name].label, values[0], *shown, *values[1:]])
    return Table(header, rows)


def _directions() -> str:
    """Which values are better."""
    groups: dict[str, list[str]] = {}
    for name in metrics.NAMES:
        groups.setdefault(metrics.SCORES[name].direction, []).append(name)
    return "; ".join(f"{what} is better: {', '.join(names)}" for what, names in groups.items())


def _remarks(record: Record) -> list[str]:
    """Why there is no interval, and frames where a score is not defined."""
    found = []
    if record["interval"]["mse"] is None:
        found.append("no confidence intervals: all windows are of one sample")
    count = record["num_samples"] * len(record["per_step"]["mse"])
    return found + [
        f"{name}: {number} of {count} frames are left out, where it is not defined"
        for name, number in record["left_out"].items()
    ]


_CHANNEL_TITLES = {
    "rmse_unit": "RMSE",
    "bias_unit": "bias",
    "vrmse": "VRMSE",
    "spectral_low": "low",
    "spectral_middle": "middle",
    "spectral_high": "high",
    "acc": "ACC",
}
_EVENT_TITLES = {"csi": "CSI", "pod": "POD", "far": "FAR", "fss_3": "FSS 3x3", "fss_9": "FSS 9x9"}
# Known scores that metrics.json has, but the table of channels has not.
_NOT_SHOWN = {
    *("nrmse", "energy_low", "energy_middle", "energy_high"),
    *("crps", "spread", "spread_skill"),
}


def _titles(known: Mapping[str, str], per: metrics.Per, found: Record) -> dict[str, str]:
    """The scores to show, with their titles: the known ones, and those of files added later."""
    added = [
        name
        for name, score in metrics.SCORES.items()
        if score.per == per and name not in known and name not in _NOT_SHOWN
    ]
    return {name: known.get(name, name) for name in [*known, *added] if name in found}


def _channels(record: Record, data: DataDescription) -> Table:
    """Two rows for each channel; RMSE and bias are in its unit, low to high are spectral errors."""
    titles = _titles(_CHANNEL_TITLES, "channel", next(iter(record["channels"].values())))
    rows = []
    for channel, scores in record["channels"].items():
        baseline = record[PERSISTENCE]["channels"][channel]
        rows += _pair([data.card.name_of(channel), scores["unit"]], scores, baseline, titles)
    return _without_empty(Table(["channel", "unit", *titles.values()], rows))


def _ensemble(record: Record, data: DataDescription) -> list[Table]:
    """A row for each channel, if the forecast is that of an ensemble."""
    rows = []
    for channel, scores in record["channels"].items():
        if "crps" not in scores:
            return []
        baseline = record[PERSISTENCE]["channels"][channel]["crps"]
        values = (scores["crps"], baseline, scores["rmse_unit"], scores["spread"])
        numbers = map(_number, (*values, scores["spread_skill"]))
        rows.append([data.card.name_of(channel), scores["unit"], *numbers])
    header = ["ensemble", "unit", "CRPS", "persistence", "RMSE", "spread", "spread-skill"]
    return [Table(header, rows)]


def _events(record: Record, data: DataDescription) -> list[Table]:
    """Two rows for each threshold of the data card, if there are any."""
    rows, titles = [], {}
    for channel, scores in record["channels"].items():
        baselines = record[PERSISTENCE]["channels"][channel].get("events", [])
        for event, baseline in zip(scores.get("events", []), baselines, strict=True):
            titles = _titles(_EVENT_TITLES, "event", event)
            unit = scores["unit"]
            name = f"{data.card.name_of(channel)} >= {event['threshold']:g} {unit}".strip()
            rows += _pair([name], event, baseline, titles)
    return [Table(["event", *titles.values()], rows)] if rows else []


def _without_empty(table: Table) -> Table:
    """The same without columns that have no value: spectra of frames with missing values."""
    used = [i for i in range(len(table.header)) if {row[i] for row in table.rows} - {_UNDEFINED}]
    return Table([table.header[i] for i in used], [[row[i] for i in used] for row in table.rows])


def _pair(
    labels: Sequence[str],
    scores: Mapping[str, Any],
    baseline: Mapping[str, Any],
    titles: Mapping[str, str],
) -> list[list[str]]:
    """A row of scores and one of those of persistence."""
    blank = [""] * (len(labels) - 1)
    return [
        [*labels, *(_number(scores[name]) for name in titles)],
        ["  persistence", *blank, *(_number(baseline[name]) for name in titles)],
    ]


def _number(value: float) -> str:
    return _UNDEFINED if math.isnan(value) else f"{value:.3g}"


def _steps(record: Record) -> Table:
    """Errors, and energy relative to the truth, at some steps; means over the channels."""
    count = len(record["per_step"]["mse"])
    shown = sorted({round(1 + i * (count - 1) / (_MOST_STEPS - 1)) for i in range(_MOST_STEPS)})
    names = {name: f"energy {name[7:]}" for name in metrics.SCORES if name.startswith("energy_")}
    names = {"vrmse": "VRMSE", **names}
    rows = []
    for step in shown:
        cells = [
            record["per_step"]["mse"][step - 1],
            record[PERSISTENCE]["per_step"]["mse"][step - 1],
        ]
        for name in names:
            values = [c["per_step"][name][step - 1] for c in record["channels"].values()]
            known = [value for value in values if not math.isnan(value)]
            cells.append(sum(known) / len(known) if known else math.nan)
        rows.append([str(step), *map(_number, cells)])
    return _without_empty(Table(["step", "mse", "persistence", *names.values()], rows))


def _usefulness(record: Record, data: DataDescription) -> list[str]:
    """Up to which step the forecast is of use, and its skill at the ends."""
    skill, until = record["skill_per_step"], record["useful_until"]
    steps = len(skill)
    useful = f"better than all baselines up to step {until} of {steps}"
    later = f", {skill[-1]:.3g} at step {steps}" if steps > 1 else ""
    found = [
        useful if until else "not better than the baselines at step 1",
        f"skill against persistence: {skill[0]:.3g} at step 1{later}",
    ]
    for channel, scores in record["channels"].items():
        first = scores["vrmse_above_1_from"]
        if first is not None:
            found.append(
                f"{data.card.name_of(channel)}: no better than the mean of the true frame (VRMSE 1 "
                f"or more) from step {first}"
            )
    return found
