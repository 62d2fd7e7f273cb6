"""The charts of a report: scores by forecast step, spectra, and losses by epoch."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from simvp.commands.frame_labels import frame_interval
from simvp.commands.report.reported_run import History, ReportedRun
from simvp.engine.history import describe_kept, kept_epoch
from simvp.engine.mean_spectra import Spectra
from simvp.engine.saved_forecasts import outdated
from simvp.figures.report.charts import Chart, Line
from simvp.figures.report.contents import Section

_LOWEST_SKILL = -1.0  # a forecast with twice the squared error of persistence

_SMALLEST_POWER = 1e-7  # relative to the largest: the square of the precision of float32
_NUM_STYLES = 6  # of runs, in the style sheet
_LOSS = "loss (scaled units)"


def lead_time(runs: Sequence[ReportedRun]) -> Section:
    """RMSE and skill against the forecast step, a chart of each for every channel."""
    data = runs[0].data
    interval, charts = frame_interval(data), []
    x_label = "forecast step" + (f" ({interval} each)" if interval else "")
    for channel in data.forecast_channels:
        lines = list(_rmse_lines(runs, channel))
        if lines:
            unit = data.card.channel(channel).unit
            y_label = f"RMSE ({unit})" if unit else "RMSE"
            title = f"Error of {data.card.name_of(channel)}"
            charts.append(Chart(title, x_label, y_label, lines, rule=0.0))
    for channel in data.forecast_channels:
        skills = [_of_channel(run.metrics, channel).get("skill_per_step", []) for run in runs]
        lines = [_by_step(run, i, _numbers(skills[i])) for i, run in enumerate(runs)]
        lines = [line for line in lines if any(map(math.isfinite, line.y))]
        if lines:
            title = f"Skill of {data.card.name_of(channel)} against persistence"
            charts.append(Chart(title, x_label, "skill", lines, rule=0.0, floor=_LOWEST_SKILL))
    remarks = ["Skill is 1 - mse / mse of persistence: 1 is perfect, 0 as good as persistence."]
    if any("members" in run.metrics for run in runs):
        remarks.append(
            "The spread is the standard deviation of the members. With M members, a reliable "
            "ensemble has a spread of sqrt(M / (M + 1)) times the RMSE; below, it is overconfident."
        )
    return Section("Error and skill against lead time", charts, remarks)


def _rmse_lines(runs: Sequence[ReportedRun], channel: str) -> Iterator[Line]:
    """The RMSE of each run and baseline at each step, as far as metrics.json has it.

    Those of an ensemble are followed by its spread.
    """
    for i, run in enumerate(runs):
        values = _per_step(run.metrics, channel, "rmse_unit")
        if values:
            yield _by_step(run, i, values)
        spread = _per_step(run.metrics, channel, "spread")
        if spread:
            yield Line(f"spread of {run.name}", f"{_style(i)} dashed", _steps(spread), spread)
    for i, (name, scores) in enumerate(runs[0].baselines.items()):
        values = _per_step(scores, channel, "rmse_unit")
        if values:
            yield Line(name.replace("_", " "), f"baseline-{i % 3}", _steps(values), values)


def _per_step(scores: dict[str, Any], channel: str, score: str) -> list[float]:
    return _numbers(_of_channel(scores, channel).get("per_step", {}).get(score, []))


def _of_channel(scores: dict[str, Any], channel: str) -> dict[str, Any]:
    return scores.get("channels", {}).get(channel) or {}


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _steps(values: Sequence[float]) -> list[float]:
    return [float(step) for step in range(1, len(values) + 1)]


def _by_step(run: ReportedRun, number: int, values: Sequence[float]) -> Line:
    return Line(run.name, _style(number), _steps(values), values)


def _style(number: int) -> str:
    """The style of a run."""
    return f"run-{number % _NUM_STYLES}"


def spectra(runs: Sequence[ReportedRun], found: Sequence[Spectra]) -> Section:
    """Forecast and truth at the first, middle and last step, a chart of each for every channel."""
    first, data, charts = found[0], runs[0].data, []
    x = first.wavenumbers.tolist()
    for number, channel in enumerate(data.forecast_channels):
        unit = data.card.channel(channel).unit
        y_label = f"variance (({unit})²)" if unit else "variance"
        for position, step in enumerate(first.steps):
            truth = first.truth[position, number].tolist()
            if not any(math.isfinite(value) and value > 0 for value in truth):
                continue
            lines = [Line("truth", "truth", x, truth)]
            lines += [
                Line(run.name, _style(i), x, item.forecast[position, number].tolist())
                for i, (run, item) in enumerate(zip(runs, found, strict=True))
            ]
            title = f"{data.card.name_of(channel)}, step {step + 1}"
            floor = max(truth) * _SMALLEST_POWER
            label = "wavenumber (cycles per cell)"
            charts.append(Chart(title, label, y_label, lines, log_x=True, log_y=True, floor=floor))
    remark = (
        "The variance of a frame that waves of each wavenumber contribute, mean over the test "
        "samples; large scales are on the left. A forecast that is too smooth lies below the truth "
        "on the right."
        if charts
        else "There are none: every frame is constant or has missing values."
    )
    return Section("Spectra of forecast and truth", charts, [remark])


def training(runs: Sequence[ReportedRun]) -> Section:
    """Loss by epoch, with the epoch whose weights the run has kept."""
    first = runs[0]
    drawn = losses(first.name, first.history) if first.history else []
    if len(runs) > 1 and all(run.history for run in runs):
        lines = [
            Line(run.name, _style(i), *_column(run.history, "val_loss"))
            for i, run in enumerate(runs)
        ]
        drawn.insert(1, Chart("Validation loss", "epoch", _LOSS, lines, log_y=True))
    return Section("Training", drawn, [_kept(first)])


def losses(name: str, history: History) -> list[Chart]:
    """Training and validation loss by epoch with the kept one, and the learning rate."""
    kept = kept_epoch(history)
    lines = [
        Line("validation", "run-0", *_column(history, "val_loss")),
        Line("training", "run-0 dashed", *_column(history, "train_loss")),
    ]
    mark = (kept["epoch"], kept["val_loss"], f"kept: {kept['val_loss']:.4g}")
    rate = [Line("learning rate", "run-0", *_column(history, "lr"))]
    return [
        Chart(f"Loss of {name}", "epoch", _LOSS, lines, log_y=True, mark=mark),
        Chart("Learning rate", "epoch", "learning rate", rate),
    ]


def _column(history: History, name: str) -> tuple[list[float], list[float]]:
    """A column of metrics.csv, in the epochs that have a value."""
    points = [(row["epoch"], row.get(name, math.nan)) for row in history]
    found = [(epoch, value) for epoch, value in points if math.isfinite(value)]
    return [epoch for epoch, _ in found], [value for _, value in found]


def _kept(run: ReportedRun) -> str:
    if not run.history:
        return "The folder of the run has no history of its training."
    is_outdated = bool(outdated(run.folder, run.metrics, run.config.train.members))
    scored = "the scores are of an earlier model" if is_outdated else "its model is scored"
    kept = describe_kept(run.history)
    return f"The ring marks the epoch whose model the run has kept; {scored}. {kept.capitalize()}."
