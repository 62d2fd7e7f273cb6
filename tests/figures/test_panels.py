"""Rows of panels: their sizes, and that nothing that is written overlaps."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from simvp.figures.colours import scale_of_values
from simvp.figures.coordinates import Axis
from simvp.figures.panels import Panel, Row, Sheet, draw


def sheet(
    counts: tuple[int, ...], size: tuple[float, float], shape: tuple[int, int] = (9, 11)
) -> Sheet:
    """Rows with these numbers of panels."""
    title = "2001-02-20\n18:00:00" if size[1] > 0.6 else "+3 days"
    frames = np.random.default_rng(0).random((sum(counts), *shape), np.float32) * 1e-4
    scale = scale_of_values(frames, frames, frames, "viridis")
    numbered = iter(frames)
    rows = [
        Row("prediction", [Panel(next(numbered), scale, title) for _ in range(n)]) for n in counts
    ]
    axes = (
        Axis("latitude (°N)", np.linspace(-57.5, -49, shape[0])),
        Axis("longitude (°E)", np.linspace(-104, 118.5, shape[1])),
    )
    return Sheet(rows, size, axes, "lower", "title " * 30, {"u $_1 (m)": scale, "same": scale})


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Everything that is written, and where."""
    FigureCanvasAgg(figure).draw()
    found = list(figure.texts)
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes.yaxis.label, axes.xaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            found += axis.get_ticklabels() if axis.get_visible() else []
    return [(t.get_text(), t.get_window_extent()) for t in found if t.get_text()]


LAYOUTS = [
    ((1,), (2.0, 2.0)),
    ((6, 6), (0.8, 0.8)),
    ((3, 6, 2), (0.42, 1.68)),  # 18 x 432
    ((10, 4), (2.0, 0.5)),  # tall
    ((1, 1, 1, 1), (0.42, 1.68)),
]


@pytest.mark.parametrize(("counts", "size"), LAYOUTS)
def test_nothing_overlaps(counts: tuple[int, ...], size: tuple[float, float]) -> None:
    figure = draw(sheet(counts, size))
    written = texts(figure)
    panels = figure.axes[: sum(counts)]
    boxes = [(f"panel {i}", axes.get_window_extent()) for i, axes in enumerate(panels)]
    boxes += [(f"bar {i}", axes.get_window_extent()) for i, axes in enumerate(figure.axes[-2:])]
    overlapping = [
        (a, b)
        for (a, first), (b, second) in combinations([*written, *boxes], 2)
        if first.padded(-0.5).overlaps(second.padded(-0.5))
    ]
    assert overlapping == []
    assert len(written) > 3 * len(counts)


@pytest.mark.parametrize(("counts", "size"), LAYOUTS)
def test_panels_have_their_size_and_all_that_is_drawn_is_in_the_crop(
    counts: tuple[int, ...], size: tuple[float, float]
) -> None:
    figure = draw(sheet(counts, size))
    for axes in figure.axes[: sum(counts)]:
        box = axes.images[0].get_window_extent()
        assert (box.height, box.width) == pytest.approx([200 * part for part in size], abs=0.5)
    crop = figure.get_tightbbox()
    for text, box in texts(figure):
        assert crop.x0 - 0.02 <= box.x0 / 200 and box.x1 / 200 <= crop.x1 + 0.02, text
        assert crop.y0 - 0.02 <= box.y0 / 200 and box.y1 / 200 <= crop.y1 + 0.02, text
    canvas = Bbox.from_bounds(0, 0, *figure.get_size_inches())
    assert Bbox.intersection(crop, canvas).bounds == pytest.approx(crop.bounds)


def test_ticks_are_on_the_left_and_below_the_last_panel_of_a_column() -> None:
    figure = draw(sheet((2, 4, 3), (1.0, 1.0)))
    visible = [(a.xaxis.get_visible(), a.yaxis.get_visible()) for a in figure.axes[:9]]
    assert visible == [
        *((False, True), (False, False)),
        *((False, True), (False, False), (False, False), (True, False)),
        *((True, True), (True, False), (True, False)),
    ]


@pytest.mark.parametrize("origin", ["lower", "upper"])
def test_first_row_is_below_or_above(origin: str) -> None:
    content = sheet((1,), (1.0, 1.0))
    content = Sheet(content.rows, content.size, content.axes, origin, "", content.bars)
    figure = draw(content)
    FigureCanvasAgg(figure).draw()
    (axes, *_), frame = figure.axes, content.rows[0].panels[0].frame
    np.testing.assert_array_equal(axes.images[0].get_array(), frame)
    heights = [axes.transData.transform((0, row))[1] for row in (0, 8)]
    assert (heights[0] < heights[1]) == (origin == "lower")
    # The southernmost tick, -57.5 being the latitude of row 0, is on the side of row 0.
    labels = axes.get_yticklabels()
    value = float(labels[0].get_text().replace("\N{MINUS SIGN}", "-"))
    row = axes.get_yticks()[0]
    assert value == pytest.approx(np.interp(row, np.arange(9), content.axes[0].values))
