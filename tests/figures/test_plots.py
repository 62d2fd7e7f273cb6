"""Line charts for papers."""

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from simvp.figures.plots import plot
from simvp.figures.report.charts import Chart, Line


def test_lines_are_those_of_the_chart() -> None:
    lines = [
        Line("a $_b", "run-0", [1.0, 2.0], [3.0, math.nan]),
        Line("persistence", "baseline-0", [1.0, 2.0], [5.0, 6.0]),
        Line("truth", "truth", [1.0], [-40.0]),
    ]
    chart = Chart("t $_1", "x $_2", "y $_3", lines, floor=-1.0, rule=0.0, mark=(1.0, 3.0, "best"))
    figure = plot([chart, chart, chart])
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 3
    axes = figure.axes[0]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("t $_1", "x $_2", "y $_3")
    for drawn, line in zip(axes.lines, lines, strict=False):
        np.testing.assert_array_equal(drawn.get_xydata(), np.column_stack([line.x, line.y]))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *("a $_b", "persistence", "truth", "best")
    ]
    assert axes.get_ylim()[0] == -1.0
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines[:3]}) == 3


def test_logarithmic_axes() -> None:
    chart = Chart("", "", "", [Line("a", "run-1", [1, 10], [1e-5, 1])], log_x=True, log_y=True)
    figure = plot([chart])
    FigureCanvasAgg(figure).draw()
    assert (figure.axes[0].get_xscale(), figure.axes[0].get_yscale()) == ("log", "log")
    assert figure.axes[0].get_legend() is None
