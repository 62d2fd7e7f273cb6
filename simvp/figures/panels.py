"""Rows of panels of the same size, each a matplotlib axes, with coordinates at the outer ones.

H, W: height and width of a frame. Lengths are in inches.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.image import AxesImage

from simvp.figures.colours import Frames, Scale, arrows, as_image
from simvp.figures.coordinates import TICK_SIZE, Axis, Ticks, text_width

GAP = 0.08  # between panels side by side

_ROW_GAP = 0.1
_PANEL_TITLE, _NAME, _LABEL, _TITLE = 8.0, 10.0, 9.0, 10.0  # sizes of text in points
_LINE = 1.25  # height of a line of text relative to its size
_BAR, _LONGEST_BAR = 0.12, 4.0  # width and largest height of a colour bar
_MARGIN = 0.12
_RIGHT = 2.6  # of the panels, for colour bars; files and animations are cropped


@dataclass(frozen=True)
class Panel:
    """A frame, (H, W) or the three channels of a colour picture (3, H, W).

    Attributes:
        scale: its colours; None for a colour picture.
    """

    frame: Frames
    scale: Scale | None
    title: str = ""


@dataclass(frozen=True)
class Row:
    """Panels side by side, with a name on their left."""

    name: str
    panels: Sequence[Panel]

    @property
    def title_height(self) -> float:
        """The room for titles above the panels."""
        lines = max(panel.title.count("\n") + 1 if panel.title else 0 for panel in self.panels)
        return lines * _LINE * _PANEL_TITLE / 72 + (0.06 if lines else 0)


@dataclass(frozen=True)
class Sheet:
    """Rows of panels of one size.

    Attributes:
        size: height and width of a panel.
        axes: the coordinates of rows and columns.
        origin: "lower" if row 0 of a frame is drawn at the bottom.
        bars: the scales that have a colour bar, by its label.
    """

    rows: Sequence[Row]
    size: tuple[float, float]
    axes: tuple[Axis, Axis]
    origin: Literal["upper", "lower"]
    title: str
    bars: Mapping[str, Scale]

    @property
    def num_columns(self) -> int:
        return max(len(row.panels) for row in self.rows)


def title_width(title: str) -> float:
    """The width of the title of a panel."""
    return max(text_width(line, _PANEL_TITLE) for line in title.split("\n"))


class _Layout:
    """Where the panels of a sheet are in a figure, and how large that is."""

    def __init__(self, sheet: Sheet, left: float, bottom: float) -> None:
        height, width = sheet.size
        spaces = [row.title_height + _ROW_GAP * (i > 0) for i, row in enumerate(sheet.rows)]
        self.left, self.bottom = left, bottom
        self.right = left + sheet.num_columns * (width + GAP) - GAP
        self.top = bottom + sum(spaces) + len(spaces) * height  # of the titles
        self.panels_top = self.top - spaces[0]
        self.middle = ((self.left + self.right) / 2, (self.bottom + self.top) / 2)
        self.heights = [part for space in spaces for part in (space, height)]
        self.size = (self.right + _RIGHT, self.top + 1.0)

    def fraction(self, x: float, y: float) -> tuple[float, float]:
        """A position relative to the size of the figure."""
        return x / self.size[0], y / self.size[1]

    def cells(self, figure: Figure, sheet: Sheet) -> GridSpec:
        """The grid of the panels; those of row i are in row 2 i + 1, below their titles."""
        (left, bottom), (right, top) = (
            self.fraction(x, y) for x, y in ((self.left, self.bottom), (self.right, self.top))
        )
        return GridSpec(
            len(self.heights),
            sheet.num_columns,
            figure,
            *(left, bottom, right, top),
            wspace=GAP / sheet.size[1],
            hspace=0,
            height_ratios=self.heights,
        )


def draw(sheet: Sheet) -> Figure:
    """Draw all panels.

    The first axes of the figure are the panels, row after row; its first text is the title. The
    figure is larger than what is drawn; crop it to `figure.get_tightbbox()`.
    """
    y, x = sheet.axes
    y_ticks = y.ticks(sheet.size[0], _ROW_GAP / 2, is_vertical=True)
    x_ticks = x.ticks(sheet.size[1], GAP / 2)
    numbers = 0.08 + max((text_width(label, TICK_SIZE) for _, label in y_ticks), default=0)
    names = 0.08 + max(text_width(row.name, _NAME) for row in sheet.rows)
    line = 0.05 + _LABEL / 72
    layout = _Layout(sheet, _MARGIN + line + names + numbers, _MARGIN + line + TICK_SIZE / 72 + 0.1)
    figure = Figure(layout.size, dpi=200)
    panels = _draw_panels(figure, sheet, layout, x_ticks, y_ticks)
    for row, axes in zip(sheet.rows, panels, strict=True):
        place = (-(numbers + 0.08) / sheet.size[1], 0.5)
        axes[0].text(
            *(*place, row.name),
            transform=axes[0].transAxes,
            fontsize=_NAME,
            ha="right",
            va="center",
        )
    _write_labels(figure, sheet, layout, layout.left - numbers - names - 0.05)
    _draw_bars(figure, sheet, layout, [axes.images[0] for row in panels for axes in row])
    return figure


def _draw_panels(
    figure: Figure, sheet: Sheet, layout: _Layout, x_ticks: Ticks, y_ticks: Ticks
) -> list[list[Axes]]:
    """The axes of each row, with ticks on the left of rows and below columns."""
    cells, panels = layout.cells(figure, sheet), []
    for number, row in enumerate(sheet.rows):
        below = max((len(other.panels) for other in sheet.rows[number + 1 :]), default=0)
        panels.append(
            [
                _draw_panel(
                    figure.add_subplot(cells[2 * number + 1, column]),
                    panel,
                    sheet,
                    x_ticks if column >= below else (),
                    y_ticks if column == 0 else (),
                )
                for column, panel in enumerate(row.panels)
            ]
        )
        for column, axes in enumerate(panels[-1]):  # others do not determine where to crop
            axes.set_in_layout(column == 0 or column >= below)
    return panels


def _draw_panel(axes: Axes, panel: Panel, sheet: Sheet, x_ticks: Ticks, y_ticks: Ticks) -> Axes:
    axes.imshow(as_image(panel.frame), *(panel.scale or ()), origin=sheet.origin, aspect="auto")
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
    for axis, ticks in ((axes.xaxis, x_ticks), (axes.yaxis, y_ticks)):
        axis.set_visible(bool(ticks))  # hidden ones take no time to draw
        if ticks:
            axis.set_ticks(*zip(*ticks, strict=True))
            axis.set_tick_params(labelsize=TICK_SIZE, length=2, width=0.5, pad=2)
    if panel.title:
        axes.set_title(panel.title, fontsize=_PANEL_TITLE, pad=3, y=1.0, parse_math=False)
    return axes


def _write_labels(figure: Figure, sheet: Sheet, layout: _Layout, left: float) -> None:
    """The title, and the names of the coordinates."""
    x, y = layout.middle
    length, height = layout.right - layout.left, layout.panels_top - layout.bottom
    title_x, title_y = layout.fraction(x, layout.top + 0.1)
    title = _wrapped(sheet.title, length + 1.5, _TITLE)
    figure.suptitle(title, x=title_x, y=title_y, fontsize=_TITLE, va="bottom", parse_math=False)
    labels = [
        _wrapped(axis.label, room, _LABEL)
        for axis, room in zip(sheet.axes, (height, length), strict=True)
    ]
    style: dict[str, Any] = {"fontsize": _LABEL, "parse_math": False}
    place = layout.fraction(x, layout.bottom - TICK_SIZE / 72 - 0.12)
    figure.text(*place, labels[1], ha="center", va="top", **style)
    figure.text(*layout.fraction(left, y), labels[0], ha="right", va="center", rotation=90, **style)


def _wrapped(text: str, length: float, size: float) -> str:
    """The text in lines that are not longer than that, or 12 letters if that is more."""
    letters = max(12, int(length / (0.6 * size / 72)))
    return "\n".join(textwrap.fill(line, letters) for line in text.split("\n"))


def _draw_bars(figure: Figure, sheet: Sheet, layout: _Layout, images: Sequence[AxesImage]) -> None:
    """A labelled colour bar for each scale, on the right of the panels."""
    height = min(layout.panels_top - layout.bottom, _LONGEST_BAR)
    left, bottom = layout.right + 0.15, layout.panels_top - height
    panels = [panel for row in sheet.rows for panel in row.panels]
    for label, scale in sheet.bars.items():
        shown = [i for i, panel in enumerate(panels) if panel.scale is scale]
        place = layout.fraction(left, bottom) + layout.fraction(_BAR, height)
        ends = arrows(scale[1], [panels[i].frame for i in shown])
        bar = figure.colorbar(images[shown[0]], cax=figure.add_axes(place), extend=ends)
        bar.ax.tick_params(labelsize=8)
        bar.set_label(_wrapped(label, height, _LABEL), fontsize=_LABEL, parse_math=False)
        box = bar.ax.get_tightbbox()
        assert box is not None  # it is visible
        left = box.x1 / figure.dpi + 0.15
