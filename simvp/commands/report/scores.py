"""The scores of a report. They are those that metrics.json has, whatever they are."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from simvp import metrics
from simvp.commands.hints import short_id
from simvp.commands.report.reported_run import ReportedRun
from simvp.figures.report.contents import SampleTable
from simvp.progress import Table

Record = dict[str, Any]

# Scores that are not called as in metrics.json.
_NAMES = {
    "rmse_unit": "RMSE",
    "bias_unit": "bias",
    "vrmse": "VRMSE",
    "nrmse": "NRMSE",
    "acc": "ACC",
    "crps": "CRPS",
    "spread_skill": "spread-skill ratio",
}


def sample_names(ids: Sequence[str]) -> list[str]:
    """What to call samples: their ids without the hash that `simulate` puts before them."""
    short = [short_id(sample_id) for sample_id in ids]
    return short if len(set(short)) == len(short) else list(ids)


def verdict(run: ReportedRun) -> tuple[str, bool]:
    """Whether the forecast is of use, and whether that is a warning."""
    skill, until = run.metrics.get("skill"), run.metrics.get("useful_until")
    steps = run.config.data.aft_seq_length
    if "skill" not in run.metrics:
        return (
            "Skill is not known, because an earlier version of simvp computed the scores; "
            "`simvp test` computes it.",
            False,
        )
    if skill is None:
        return "Persistence is exact on these samples, so there is no skill against it.", False
    if skill <= 0:
        return (
            "The forecast is worse than persistence, which repeats the last input frame: train "
            "longer, on more data, or with a larger network.",
            True,
        )
    text = f"Its squared error is {100 * skill:.3g} % below that of persistence"
    if until is None:
        return f"{text}.", False
    better = f"better than every baseline up to step {until} of {steps}"
    return (
        f"{text}; it is {better if until else 'not better than every baseline at step 1'}.",
        False,
    )


def highlights(run: ReportedRun) -> list[tuple[str, str, str]]:
    """A few numbers: what they are, their values, and remarks."""
    found = []
    skill, until = run.metrics.get("skill"), run.metrics.get("useful_until")
    if skill is not None:
        remark = "1 is perfect, 0 as good as persistence"
        found.append(("Skill against persistence", f"{skill:.3f}", remark))
    if until is not None:
        steps = run.config.data.aft_seq_length
        found.append(("Better than every baseline", f"{until} of {steps}", "steps, from the first"))
    persistence = run.baselines.get("persistence", {}).get("channels", {})
    for channel in run.data.forecast_channels[:2]:
        rmse = run.metrics.get("channels", {}).get(channel, {}).get("rmse_unit")
        if rmse is not None:
            unit = run.data.card.channel(channel).unit
            other = persistence.get(channel, {}).get("rmse_unit")
            remark = "" if other is None else f"persistence {other:.3g} {unit}"
            label = f"RMSE of {run.data.card.name_of(channel)}"
            found.append((label, f"{rmse:.3g} {unit}", remark))
    if run.metrics.get("ssim") is not None:
        found.append(("SSIM", f"{run.metrics['ssim']:.3f}", "1 for equal frames"))
    return found[:4]


def scores(runs: Sequence[ReportedRun]) -> Table:
    """A row for each score of frames: every run with its interval, then the baselines."""
    return _table(runs, lambda record: record)


def channels(runs: Sequence[ReportedRun]) -> list[tuple[str, Table]]:
    """For each channel a table of its scores, and of those of its events."""
    card, found = runs[0].data.card, []
    for channel in runs[0].data.forecast_channels:
        table = _table(runs, partial(_of_channel, channel))
        events = _of_channel(channel, runs[0].metrics).get("events") or []
        rows = list(table.rows)
        for number, event in enumerate(events):
            label = f"{event['threshold']:g} {card.channel(channel).unit}".strip()
            of_event = _table(runs, partial(_of_event, channel, number))
            rows += [[f"{row[0]} of values from {label}", *row[1:]] for row in of_event.rows]
        found.append((card.label(channel), Table(table.header, rows)))
    return found


def _of_channel(channel: str, record: Record) -> Record:
    found: Record = record.get("channels", {}).get(channel) or {}
    return found


def _of_event(channel: str, number: int, record: Record) -> Record:
    events: list[Record] = _of_channel(channel, record).get("events") or []
    return events[number] if number < len(events) else {}


def _table(runs: Sequence[ReportedRun], select: Callable[[Record], Record]) -> Table:
    """A row for each score that a part of metrics.json has by step.

    Args:
        select: returns that part of the record of a run or baseline.
    """
    baselines = {name: select(record) for name, record in runs[0].baselines.items()}
    header = ["score"]
    for run in runs:
        header += [run.name if len(runs) > 1 else "forecast", "95 % interval"]
    header += [*(name.replace("_", " ") for name in baselines), "better"]
    rows = []
    for name in select(runs[0].metrics).get("per_step", {}):
        row = [_label(name)]
        for run in runs:
            record = select(run.metrics)
            row += [_cell(record.get(name)), _interval(record.get("interval"), name)]
        row += [_cell(record.get(name)) for record in baselines.values()]
        rows.append([*row, _direction(name)])
    return Table(header, rows)


def remarks(run: ReportedRun) -> list[str]:
    """What the scores are of, and frames that they leave out."""
    left_out = run.metrics.get("left_out") or {}
    return [
        "Means over the frames of all test samples. Scores without a unit are of values scaled to "
        "[0, 1]; mse and mae are summed over the cells of a frame. The interval of a mean is found "
        "by the bootstrap over series. Persistence repeats the last input frame.",
        *(
            f"{name}: {count} frames are left out, where it is not defined."
            for name, count in left_out.items()
        ),
    ]


def samples(runs: Sequence[ReportedRun]) -> SampleTable:
    """Every score of every sample; of other runs the first one."""
    first = runs[0].metrics["samples"]
    names = list(dict.fromkeys(name for scores in first.values() for name in scores))
    columns = {name: [scores.get(name) for scores in first.values()] for name in names}
    for run in runs[1:]:
        for name in names[:1]:
            values = [run.metrics["samples"][sample].get(name) for sample in first]
            columns[f"{name} of {run.name}"] = values
    return SampleTable(list(first), sample_names(list(first)), columns)


def _label(name: str) -> str:
    """A score, with its unit if that is no matter of course."""
    known = metrics.SCORES.get(name)
    shown = name if known is None else known.label
    return shown.replace(name, _NAMES.get(name, name.replace("_", " ")), 1)


def _direction(name: str) -> str:
    known = metrics.SCORES.get(name)
    if known is None:
        return ""
    near = {"zero": "nearer to 0", "one": "nearer to 1", "none": ""}
    return near.get(known.direction, known.direction)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:#.4g}".removesuffix(".")


def _interval(bounds: Mapping[str, Any] | None, name: str) -> str:
    found = (bounds or {}).get(name)
    if not found or None in found:
        return "–"
    return f"{_cell(found[0])} to {_cell(found[1])}"
