"""Coordinates of rows and columns, and ticks whose labels do not overprint. Lengths are in inches.

Cells are drawn equally large. Ticks are at round values of the coordinate, also where the cells
are not evenly spaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

TICK_SIZE = 7.0  # points

_MOST_TICKS = 5
_APART = 0.06  # between two labels

Ticks = Sequence[tuple[float, str]]  # position, in cells from the centre of the first, and label


@dataclass(frozen=True)
class Axis:
    """The coordinate of rows or columns.

    Attributes:
        label: its name and unit.
        values: at the centre of each cell, ascending or descending.
        period: labels of multiples of it beyond `values[0]` start again, as at 360 degrees east;
            0 if there is none.
    """

    label: str
    values: NDArray[np.float64]
    period: float = 0.0

    @classmethod
    def of_pixels(cls, name: str, count: int) -> "Axis":
        """Numbers of cells, where there is no coordinate."""
        return cls(f"{name} (pixels)", np.arange(count, dtype=np.float64))

    def ticks(self, length: float, overhang: float, *, is_vertical: bool = False) -> Ticks:
        """Ticks for a panel: as many as fit, up to five; none if no label fits.

        Args:
            length: of the panel along the axis.
            overhang: by which a label may extend beyond the panel.
        """
        best: Ticks = []
        for number in range(1, _MOST_TICKS + 1):
            found = self._fitting(number, length, overhang, is_vertical)
            best = found if len(found) > len(best) else best
        return best

    def _fitting(self, number: int, length: float, overhang: float, is_vertical: bool) -> Ticks:
        """Ticks at up to so many intervals; none if two of them would overprint."""
        low, high = self.values.min(), self.values.max()
        rounded = np.array([low])
        if low < high:
            rounded = np.array(MaxNLocator(number, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
            rounded = rounded[(low <= rounded) & (rounded <= high)]
        order = np.argsort(self.values)
        cells = np.interp(rounded, self.values[order], np.arange(len(order))[order])
        kept, ends = [], []
        for cell, label in zip(cells.tolist(), self._labels(rounded), strict=True):
            half = 0.5 * (TICK_SIZE / 72 if is_vertical else text_width(label, TICK_SIZE))
            centre = (cell + 0.5) / len(order) * length
            if half - overhang <= centre <= length + overhang - half:
                kept.append((cell, label))
                ends.append((centre - half, centre + half))
        overprint = any(a[1] + _APART > b[0] for a, b in pairwise(sorted(ends)))
        return [] if overprint else kept

    def _labels(self, values: NDArray[np.float64]) -> list[str]:
        if self.period:
            values = np.where(values >= self.period, values - self.period, values)
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_scientific(False)
        formatter.create_dummy_axis()
        assert formatter.axis is not None
        formatter.axis.set_view_interval(values.min(initial=0), values.max(initial=0))
        return formatter.format_ticks(values.tolist())


def text_width(text: str, size: float) -> float:
    """The width of a line of text.

    Args:
        size: in points.
    """
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=size), ismath=False
    )
    return float(width) / 72
