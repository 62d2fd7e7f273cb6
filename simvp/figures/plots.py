"""Line charts for papers, drawn by matplotlib."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simvp.figures.report.charts import Chart

_RUNS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008
_DASHES = ("--", ":", "-.")


def plot(charts: Sequence[Chart], *, title: str = "") -> Figure:
    """Charts beside each other, at most two in a row."""
    columns = min(2, len(charts))
    rows = math.ceil(len(charts) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows), dpi=200, layout="constrained")
    for number, chart in enumerate(charts):
        _draw(figure.add_subplot(rows, columns, number + 1), chart)
    if title:
        figure.suptitle(title, fontsize=10, parse_math=False)
    return figure


def _draw(axes: Axes, chart: Chart) -> None:
    for line in chart.lines:
        axes.plot(line.x, line.y, label=line.label, **_style(line.style), linewidth=1.5)
    if chart.rule is not None:
        axes.axhline(chart.rule, color="0.6", linewidth=0.8, zorder=0)
    if chart.mark is not None:
        x, y, label = chart.mark
        axes.plot([x], [y], "o", color="black", fillstyle="none", label=label)
    axes.set_xscale("log" if chart.log_x else "linear")
    axes.set_yscale("log" if chart.log_y else "linear")
    if not chart.log_x:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if chart.is_cut:
        axes.set_ylim(bottom=chart.floor)
    axes.set_title(chart.title, fontsize=10, parse_math=False)
    axes.set_xlabel(chart.x_label, fontsize=9, parse_math=False)
    axes.set_ylabel(chart.y_label, fontsize=9, parse_math=False)
    axes.tick_params(labelsize=8, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    if len(chart.lines) > 1 or chart.mark is not None:
        for text in axes.legend(fontsize=8, frameon=False).get_texts():
            text.set_parse_math(False)


def _style(name: str) -> dict[str, Any]:
    """Colour and dashes of a line with the style of the report."""
    kind, _, rest = name.partition("-")
    number = int(rest[:1] or 0)
    if kind == "truth":
        return {"color": "black"}
    if kind == "baseline":
        return {"color": "0.45", "linestyle": _DASHES[number % len(_DASHES)]}
    dashes = "--" if "dashed" in name else "-"
    return {"color": _RUNS[number % len(_RUNS)], "linestyle": dashes}
