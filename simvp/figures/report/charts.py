"""Line charts as SVG. Colours are those of the page's style sheet, so that they follow its theme.

Text is escaped: names of channels and units come from files. Lengths are in units of the view box.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

_WIDTH, _HEIGHT = 360, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 10, 42
_HALF_LENGTH = 16  # of the line of a single value
_MOST_POINTS = 60  # more would cover the line

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        style: a class of the style sheet: run-0 to run-5, truth, baseline-0 to baseline-2.
        x, y: as many values each; points that are not finite interrupt the line.
    """

    label: str
    style: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """What to draw.

    Attributes:
        floor: lowest value of the vertical axis; lower ones are outside.
        rule: a value to mark by a horizontal line.
        mark: a point to mark (x, y), and its label.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    floor: float | None = None
    rule: float | None = None
    mark: tuple[float, float, str] | None = None

    @property
    def summary(self) -> str:
        """The chart in words, for a screen reader."""
        parts = []
        for line in self.lines:
            known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
            if known:
                (x0, y0), (x1, y1) = known[0], known[-1]
                parts.append(f"{line.label}: {y0:.3g} at {x0:.3g}, {y1:.3g} at {x1:.3g}")
        return f"{self.title}. {self.y_label} against {self.x_label}. " + "; ".join(parts)

    @property
    def is_cut(self) -> bool:
        """Whether values lie below the vertical axis."""
        floor = self.floor
        return floor is not None and any(y < floor for line in self.lines for y in line.y)

    def svg(self) -> Markup:
        """The chart as an SVG element."""
        x_axis = _Axis.over([x for line in self.lines for x in line.x], self.log_x, integer=True)
        values = [y for line in self.lines for y in line.y]
        values += [] if self.rule is None else [self.rule]
        if self.floor is not None:
            values = [max(y, self.floor) for y in values if math.isfinite(y)]
        y_axis = _Axis.over(values, self.log_y)
        parts = [*self._grid(x_axis, y_axis)]
        if self.rule is not None:
            y = _y(y_axis, self.rule)
            parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "rule"))
        inside = [part for line in self.lines for part in _drawn(line, x_axis, y_axis)]
        if self.mark is not None:
            x, y, label = self.mark
            inside.append(_circle(_x(x_axis, x), _y(y_axis, y), 5, "mark", label))
        # A nested element clips what it contains; the offset leaves room for the points.
        clip = Markup('<svg x="0" y="{}" width="{}" height="{}" viewBox="0 {} {} {}">{}</svg>')
        top, height = _TOP - 6, _HEIGHT - _TOP - _BOTTOM + 12
        parts.append(clip.format(top, _WIDTH, height, top, _WIDTH, height, Markup("").join(inside)))
        frame = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
        return frame.format(_WIDTH, _HEIGHT, self.summary, Markup("").join(parts))

    def _grid(self, x_axis: "_Axis", y_axis: "_Axis") -> list[Markup]:
        """Grid lines, ticks and titles of the axes."""
        bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        parts = []
        for value, text in y_axis.ticks:
            y = _y(y_axis, value)
            parts.append(_line(_LEFT, y, right, y, "grid"))
            parts.append(_text(_LEFT - 6, y + 4, text, "tick end"))
        for value, text in x_axis.ticks:
            x = _x(x_axis, value)
            parts.append(_line(x, bottom, x, bottom + 4, "axis"))
            parts.append(_text(x, bottom + 17, text, "tick middle"))
        parts.append(_line(_LEFT, bottom, right, bottom, "axis"))
        middle = (_LEFT + right) / 2
        parts.append(_text(middle, _HEIGHT - 5, self.x_label, "title middle"))
        turned = Markup('<g transform="translate(11 {}) rotate(-90)">{}</g>')
        label = _text(0, 0, self.y_label, "title middle")
        parts.append(turned.format((_TOP + bottom) / 2, label))
        return parts


@dataclass(frozen=True)
class _Axis:
    """Limits of an axis, and the position and text of its ticks."""

    low: float
    high: float
    is_log: bool
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def over(cls, values: Sequence[float], is_log: bool, *, integer: bool = False) -> "_Axis":
        """An axis that contains all finite values; positive ones, if it is logarithmic."""
        known = [v for v in values if math.isfinite(v) and (v > 0 or not is_log)] or [0.1, 1.0]
        low, high = min(known), max(known)
        if is_log:
            margin = 2.0 if low == high else (high / low) ** 0.03
            low, high = low / margin, high * margin
            return cls(low, high, True, _log_ticks(low, high))
        is_integer = integer and all(float(v).is_integer() for v in known)
        if low == high:
            margin = 1.0 if is_integer else abs(low) / 2 or 0.5
            low, high = low - margin, high + margin
        places = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=is_integer).tick_values(low, high)
        if not integer:  # the vertical axis ends at ticks
            low, high = min(low, places[0]), max(high, places[-1])
        inside = [float(v) for v in places if low <= v <= high]
        step = float(places[1] - places[0])
        return cls(low, high, False, [(v, _number(v, step)) for v in inside])

    def share(self, value: float) -> float:
        """Where a value lies between the ends of the axis."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten; also twice and five times these, if there would be fewer than three."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / 6))
    exponents = [e for e in range(first, last + 1) if e % every == 0]
    powers = [10.0**e for e in exponents if low <= 10.0**e <= high]
    if len(powers) < 3:
        factors = (1, 2, 5) if high / low > 4 else (1, 1.5, 2, 3, 4, 5, 6, 8)
        powers = [f * 10.0**e for e in range(first, last + 1) for f in factors]
        powers = [value for value in powers if low <= value <= high]
        return [(value, f"{value:g}") for value in powers]
    return [(value, _power(value)) for value in powers]


def _power(value: float) -> str:
    exponent = round(math.log10(value))
    return f"{value:g}" if -3 < exponent < 4 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def _number(value: float, step: float) -> str:
    """A tick's value, with the digits that tell it from the next one."""
    if abs(value) < step / 1e6:
        return "0"
    if not 1e-4 < abs(value) < 1e5:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    digits = next(d for d in range(12) if math.isclose(round(step, d), step, rel_tol=1e-6))
    return f"{value:.{digits}f}"


def _x(axis: _Axis, value: float) -> float:
    return _LEFT + 6 + axis.share(value) * (_WIDTH - _RIGHT - _LEFT - 12)


def _y(axis: _Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.share(value) * (_HEIGHT - _BOTTOM - _TOP)


def _drawn(line: Line, x_axis: _Axis, y_axis: _Axis) -> list[Markup]:
    """A path with a point for each value, unless there are many; a single value is a short line."""
    pieces: list[list[tuple[float, float]]] = [[]]
    points = []
    for x, y in zip(line.x, line.y, strict=True):
        if not math.isfinite(y) or (y_axis.is_log and y <= 0) or (x_axis.is_log and x <= 0):
            pieces.append([])
            continue
        place = (_x(x_axis, x), _y(y_axis, y))
        pieces[-1].append(place)
        points.append((*place, f"{line.label}: {y:.4g} at {x:.4g}"))
    path = "".join(
        ("M" if number == 0 else "L") + f"{x:.1f} {y:.1f}"
        for piece in pieces
        for number, (x, y) in enumerate(piece)
    )
    if len(points) == 1:
        x, y, _ = points[0]
        path = f"M{x - _HALF_LENGTH:.1f} {y:.1f}L{x + _HALF_LENGTH:.1f} {y:.1f}"
    drawn = [Markup('<path class="line {}" d="{}"/>').format(line.style, path)]
    if len(points) <= _MOST_POINTS:
        drawn += [_circle(x, y, 2.6, f"point {line.style}", text) for x, y, text in points]
    return drawn


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    pattern = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return pattern.format(style, x1, y1, x2, y2)


def _circle(x: float, y: float, radius: float, style: str, title: str) -> Markup:
    pattern = '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>'
    return Markup(pattern).format(style, x, y, radius, title)


def _text(x: float, y: float, text: str, style: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, text)
