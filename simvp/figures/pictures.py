"""Draw forecasts with matplotlib: a figure of all frames, or the images of an animation.

T: frames; H, W: height and width of a frame. Missing values (NaN) are grey. Lengths are in inches.
Frames of shape (T, 3, H, W) are colour pictures, red, green and blue from 0 to 1.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simvp.figures.colours import (
    Frames,
    Scale,
    as_image,
    describe_excess,
    differences,
    scale_of_differences,
    scale_of_values,
)
from simvp.figures.coordinates import Axis
from simvp.figures.panels import GAP, Panel, Row, Sheet, draw, title_width
from simvp.progress import plural

_PAGE_WIDTH = 10.6  # of the panels
_MOST_FRAMES = 48  # of a longer sequence every second, third, ... frame is drawn


@dataclass(frozen=True)
class Labels:
    """What is written beside frames.

    Attributes:
        caption: quantity and unit of the values, which label their colour bar.
        unit: of differences.
        frames: the time of each input and forecast frame, T_in + T_out, in a line or more, in
            several versions, the most informative first; the first one that fits is used. By
            default frames are numbered, the last input frame is 0.
        axes: the coordinates of rows and columns; by default numbers of cells.
        origin: "lower" if row 0 of a frame is drawn at the bottom.
    """

    title: str = ""
    caption: str = ""
    unit: str = ""
    frames: Sequence[Sequence[str]] = ()
    axes: tuple[Axis | None, Axis | None] = (None, None)
    origin: Literal["upper", "lower"] = "upper"


def grid(
    inputs: Frames,
    trues: Frames,
    preds: Frames,
    labels: Labels,
    *,
    cmap: str,
    columns: int = 0,
    every: int = 0,
) -> Figure:
    """Four kinds of rows: input (T_in, H, W), truth, prediction (T_out, H, W), difference.

    Frames more elongated than 4 : 1 are drawn as 4 : 1.

    Args:
        columns: number of frames in a row, after which a sequence is continued in the next rows;
            0 for as many as are legible.
        every: draw every so many frames only, counted back from the last; 0 for all, unless there
            are more than 48.
    """
    chosen = _choose(inputs, preds, columns, every)
    values = scale_of_values(inputs, trues, preds, cmap)
    errors = differences(trues, preds)
    difference = scale_of_differences(errors)
    names = _names(len(inputs), len(preds), labels, chosen)
    rows = [
        Row("input", [Panel(inputs[i], values, names[i]) for i in block])
        for block in _blocks(chosen.past, chosen.columns)
    ]
    for block in _blocks(chosen.future, chosen.columns):
        titles = [names[len(inputs) + i] for i in block]
        rows += [
            Row("truth", [Panel(trues[i], values, t) for i, t in zip(block, titles, strict=True)]),
            Row("prediction", [Panel(preds[i], values) for i in block]),
            Row("difference", [Panel(errors[i], difference) for i in block]),
        ]
    bars = _bars(labels, values, difference, describe_excess(inputs, trues, preds))
    return draw(_sheet(rows, chosen.size, labels, labels.title + chosen.remark, bars))


def outlook(
    inputs: Frames, preds: Frames, labels: Labels, *, trained_steps: int, cmap: str
) -> Figure:
    """Two kinds of rows: input (T_in, H, W) and forecast (T_out, H, W), without truth.

    Args:
        trained_steps: later frames are marked by a star.
    """
    chosen = _choose(inputs, preds)
    values = scale_of_values(inputs, preds, preds, cmap)
    stars = ["*" * (i >= trained_steps) for i in range(-len(inputs), len(preds))]
    names = _names(len(inputs), len(preds), labels, chosen, stars)
    rows = [
        Row(name, [Panel(frames[i], values, names[first + i]) for i in block])
        for name, frames, indices, first in (
            ("input", inputs, chosen.past, 0),
            ("forecast", preds, chosen.future, len(inputs)),
        )
        for block in _blocks(indices, chosen.columns)
    ]
    title = labels.title + chosen.remark
    if any(stars):
        trained = plural(trained_steps, "step")
        title += f" (* beyond the {trained} that {'was' if trained_steps == 1 else 'were'} trained)"
    return draw(_sheet(rows, chosen.size, labels, title, _bars(labels, values, None)))


def animation(
    inputs: Frames, trues: Frames, preds: Frames, labels: Labels, *, cmap: str
) -> list[NDArray[np.uint8]]:
    """Truth, prediction and difference side by side: an RGB image (height, width, 3) per step."""
    ratio = _ratio(preds)
    width = min(4, max(2.5, 1 / ratio)) / max(ratio, 1)
    values, errors = scale_of_values(inputs, trues, preds, cmap), differences(trues, preds)
    difference = scale_of_differences(errors)
    kinds: list[tuple[str, Frames, Scale | None]] = [
        ("truth", trues, values),
        ("prediction", preds, values),
        ("difference", errors, difference),
    ]
    row = Row("", [Panel(frames[0], scale, name) for name, frames, scale in kinds])
    times = _versions(len(inputs), len(preds), labels)[0][len(inputs) :]
    titles = [labels.title + "\n" + time.replace("\n", " ") for time in times]
    bars = _bars(labels, values, difference, describe_excess(inputs, trues, preds))
    figure = draw(_sheet([row], (ratio * width, width), labels, max(titles, key=len), bars))
    return list(_images(figure, [frames for _, frames, _ in kinds], titles))


def _images(
    figure: Figure, panels: Sequence[Frames], titles: Sequence[str]
) -> Iterator[NDArray[np.uint8]]:
    """The figure with other frames in its panels, and another title, at each step."""
    figure.set_dpi(120)
    canvas = FigureCanvasAgg(figure)
    box = figure.get_tightbbox().padded(0.1)  # the same for all images
    top, bottom = (round(120 * (figure.get_figheight() - y)) for y in (box.y1, box.y0))
    left, right = (round(120 * x) for x in (box.x0, box.x1))
    images = [image for axes in figure.axes[: len(panels)] for image in axes.images]
    for step, title in enumerate(titles):
        figure.texts[0].set_text(title)
        for image, frames in zip(images, panels, strict=True):
            image.set_data(as_image(frames[step]))
        canvas.draw()
        yield np.array(canvas.buffer_rgba())[max(0, top) : bottom, max(0, left) : right, :3]


@dataclass(frozen=True)
class _Choice:
    """Which frames are drawn, and how.

    Attributes:
        past, future: indices of the input and the forecast frames.
        columns: number of frames in a row.
        size: height and width of a panel.
        remark: what the title says about it.
    """

    past: NDArray[np.int64]
    future: NDArray[np.int64]
    columns: int
    size: tuple[float, float]
    remark: str


def _choose(inputs: Frames, forecast: Frames, columns: int = 0, every: int = 0) -> _Choice:
    ratio = _ratio(forecast)
    smallest = max(0.5, min(0.85, 2 / ratio), 0.42 / ratio)  # width of a legible frame
    longest = max(len(inputs), len(forecast))
    every = min(every or math.ceil(longest / _MOST_FRAMES), longest)
    past, future = (np.arange((len(x) - 1) % every, len(x), every) for x in (inputs, forecast))
    longest = max(len(past), len(future))
    if not columns:  # rows of equal length
        most = int((_PAGE_WIDTH + GAP) / (smallest + GAP))
        columns = math.ceil(longest / math.ceil(longest / most))
    columns = min(columns, longest)
    width = max(smallest, min((_PAGE_WIDTH + GAP) / columns - GAP, 2 / max(ratio, 1)))
    remark = f" (1 frame in {every} is shown)" if every > 1 else ""
    return _Choice(past, future, columns, (ratio * width, width), remark)


def _blocks(indices: NDArray[np.int64], columns: int) -> Iterator[list[int]]:
    """The indices of the frames in each row."""
    for start in range(0, len(indices), columns):
        yield indices[start : start + columns].tolist()


def _names(
    num_inputs: int, num_steps: int, labels: Labels, chosen: _Choice, marks: Sequence[str] = ()
) -> list[str]:
    """The label of each frame: the first version of which all that are drawn fit."""
    drawn = [*chosen.past, *(num_inputs + chosen.future)]
    marks = marks or [""] * (num_inputs + num_steps)
    found: list[str] = []
    for version in _versions(num_inputs, num_steps, labels):
        found = [time + mark for time, mark in zip(version, marks, strict=True)]
        if max(title_width(found[i]) for i in drawn) <= chosen.size[1]:
            break
    return found


def _versions(num_inputs: int, num_steps: int, labels: Labels) -> list[Sequence[str]]:
    numbers = [f"{i:+d}" if i else "0" for i in range(1 - num_inputs, num_steps + 1)]
    return [*labels.frames, [number.replace("-", "\N{MINUS SIGN}") for number in numbers]]


def _bars(
    labels: Labels, values: Scale | None, difference: Scale | None, remark: str = ""
) -> dict[str, Scale]:
    """The colour bars and their labels, with a remark on the values."""
    bars = {}
    if values is not None:
        bars["\n".join(filter(None, [labels.caption, remark]))] = values
    if difference is not None:
        bars[f"difference ({labels.unit})" if labels.unit else "difference"] = difference
    return bars


def _sheet(
    rows: Sequence[Row],
    size: tuple[float, float],
    labels: Labels,
    title: str,
    bars: dict[str, Scale],
) -> Sheet:
    counts = rows[0].panels[0].frame.shape[-2:]
    y, x = (
        axis or Axis.of_pixels(name, count)
        for axis, name, count in zip(labels.axes, "yx", counts, strict=True)
    )
    return Sheet(rows, size, (y, x), labels.origin, title, bars)


def _ratio(frames: Frames) -> float:
    """Height of a frame as drawn, relative to its width."""
    return float(np.clip(frames.shape[-2] / frames.shape[-1], 0.25, 4))
