"""Draw forecasts with matplotlib: a figure of all frames, or the images of an animation.

T: frames; H, W: height and width of a frame. Missing values (NaN) are grey. Lengths are in inches.
Frames of shape (T, 3, H, W) are colour pictures, red, green and blue from 0 to 1.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from simvp.errors import ConfigError, did_you_mean

_LETTERS_PER_INCH = 13  # of the labels above frames

Frames = NDArray[np.float32]
Scale = tuple[Colormap, Normalize]
# A frame, (H, W) or the three channels of a colour picture (3, H, W), its colours and the label
# above it.
Cell = tuple[Frames, Scale | None, str]


def colour_map(name: str) -> Colormap:
    """The matplotlib colour map of that name, grey where values are missing. Raises ConfigError."""
    if name not in colormaps:
        raise ConfigError(
            f"viz.cmap = {name!r}: unknown colour map.{did_you_mean(name, colormaps)} "
            "Use a matplotlib name such as viridis, Purples, inferno, coolwarm or gray"
        )
    return colormaps[name].with_extremes(bad="0.7")


def grid(
    inputs: Frames,
    trues: Frames,
    preds: Frames,
    *,
    title: str,
    caption: str = "",
    place: str = "",
    cmap: str,
    columns: int = 0,
) -> Figure:
    """Four labelled rows: input (T_in, H, W), truth, prediction (T_out, H, W), difference.

    Frames more elongated than 4 : 1 are drawn as 4 : 1. If a row would have too many frames to be
    legible, only every second, third, ... is drawn, counted back from the last.

    Args:
        caption: quantity and unit of the values, which label their colour bar.
        place: where the frames are, a line below them.
        columns: largest number of frames in a row; 0 for as many as are legible.
    """
    past, future, width, number = _layout(inputs, trues, columns)
    values, difference = _scales(inputs, trues, preds, cmap)
    errors = _errors(trues, preds)
    rows: dict[str, list[Cell]] = {
        "input": [(inputs[i], values, number.format(i)) for i in past],
        "truth": [(trues[i], values, number.format(len(inputs) + i)) for i in future],
        "prediction": [(preds[i], values, "") for i in future],
        "difference": [(errors[i], difference, "") for i in future],
    }
    return _draw(rows, width, title, _bars(caption, values, difference, preds), place)


def _errors(trues: Frames, preds: Frames) -> Frames:
    """Forecast minus truth, (T, H, W); of colour pictures the mean of the three channels."""
    errors = preds - trues
    return errors.mean(axis=1) if errors.ndim == 4 else errors


def _bars(
    caption: str, values: Scale | None, difference: Scale | None, preds: Frames
) -> dict[str, Scale]:
    """The colour bars and their labels, with the range of a forecast that leaves the colours."""
    bars = {"difference": difference} if difference is not None else {}
    if values is not None:
        norm, known = values[1], preds[np.isfinite(preds)]
        if known.size and not (norm.vmin <= known.min() and known.max() <= norm.vmax):
            caption += f"{', ' if caption else ''}forecast {known.min():.3g} to {known.max():.3g}"
        bars[caption] = values
    return bars


def outlook(
    inputs: Frames,
    preds: Frames,
    *,
    trained_steps: int,
    title: str,
    caption: str = "",
    cmap: str,
    labels: Sequence[str] = (),
) -> Figure:
    """Two labelled rows: input (T_in, H, W) and forecast (T_out, H, W), without truth.

    Args:
        trained_steps: later frames are marked by a star.
        labels: the time of each frame, T_in + T_out; without them, or where there is no room for
            them, frames are numbered.
        caption: quantity and unit of the values, which label their colour bar.
    """
    past, future, width, number = _layout(inputs, preds)
    values, _ = _scales(inputs, preds, preds, cmap)
    stars = ["*" * (i >= trained_steps) for i in range(len(preds))]
    if not labels or max(map(len, labels)) > _LETTERS_PER_INCH * width:
        labels = [number.format(i) for i in range(len(inputs) + len(preds))]
    rows: dict[str, list[Cell]] = {
        "input": [(inputs[i], values, labels[i]) for i in past],
        "forecast": [(preds[i], values, labels[len(inputs) + i] + stars[i]) for i in future],
    }
    if any(stars):
        title += f" (* beyond the {trained_steps} steps that were trained)"
    return _draw(rows, width, title, _bars(caption, values, None, preds))


def _layout(
    inputs: Frames, forecast: Frames, columns: int = 0
) -> tuple[NDArray[Any], NDArray[Any], float, str]:
    """Indices of the input and forecast frames to draw, their width, and a pattern for labels."""
    ratio = _ratio(inputs)
    smallest = max(0.55, 0.3 / ratio)  # width of a legible frame
    longest = max(len(inputs), len(forecast))
    every = math.ceil(longest / columns if columns else longest * smallest / 14)
    past, future = (np.arange((len(x) - 1) % every, len(x), every) for x in (inputs, forecast))
    width = max(smallest, min(10 / max(len(past), len(future)), 2 / max(ratio, 1)))
    return past, future, width, "t = {}" if width > 0.7 else "{}"


def animation(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> list[NDArray[np.uint8]]:
    """Truth, prediction and difference side by side: an RGB image (height, width, 3) per step."""
    ratio = _ratio(inputs)
    width = min(4, max(2.5, 1 / ratio)) / max(ratio, 1)
    values, difference = _scales(inputs, trues, preds, cmap)
    panels = [(trues, values, "truth"), (preds, values, "prediction")]
    panels.append((_errors(trues, preds), difference, "difference"))
    row: list[Cell] = [(frames[0], scale, label) for frames, scale, label in panels]
    bars = _bars(caption, values, difference, preds)
    figure = _draw({f"t = {len(inputs) + len(trues) - 1}": row}, width, title, bars)
    figure.set_dpi(120)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # all images have the same layout
    axes, images = figure.axes[0], []
    for step in range(len(trues)):
        axes.texts[0].set_text(f"t = {len(inputs) + step}")
        for image, (frames, _, _) in zip(axes.images, panels, strict=True):
            image.set_data(_as_image(frames[step]))
        canvas.draw()
        images.append(np.array(canvas.buffer_rgba())[..., :3])
    return images


def _ratio(frames: Frames) -> float:
    """Height of a frame as drawn, relative to its width."""
    return float(np.clip(frames.shape[-2] / frames.shape[-1], 0.25, 4))


def _scales(inputs: Frames, trues: Frames, preds: Frames, cmap: str) -> tuple[Scale | None, Scale]:
    """The colours of values, None for colour pictures, and of differences, white at zero.

    The first span the true values only, so that outliers of a forecast do not reduce contrast;
    if the truth is constant, they span the forecast too.
    """
    errors = np.abs(_errors(trues, preds))
    largest = errors.max(where=np.isfinite(errors), initial=0) or 1.0
    difference = (colour_map("RdBu_r"), Normalize(-largest, largest))
    if trues.ndim == 4:
        return None, difference
    low, high = _range(inputs, trues)
    if low == high:
        low, high = _range(inputs, trues, preds)
    margin = 0.0 if low < high else 0.5
    return (colour_map(cmap), Normalize(low - margin, high + margin)), difference


def _range(*arrays: Frames) -> tuple[float, float]:
    """The smallest and largest known value; 0 if there is none."""
    values = np.concatenate([array.ravel() for array in arrays])
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    return float(values.min()), float(values.max())


def _as_image(frame: Frames) -> Frames:
    """A frame as matplotlib draws it: colours (3, H, W) last, and grey where one is missing."""
    if frame.ndim == 2:
        return frame
    missing = np.isnan(frame).any(axis=0, keepdims=True)
    return np.moveaxis(np.where(missing, 0.7, np.clip(frame, 0, 1)), 0, -1).astype(np.float32)


def _draw(
    rows: Mapping[str, Sequence[Cell]],
    width: float,
    title: str,
    bars: Mapping[str, Scale],
    place: str = "",
) -> Figure:
    """Labelled rows of frames of that width, and a labelled colour bar for each scale."""
    figure = Figure(layout="compressed", dpi=200)
    axes = figure.add_subplot(aspect="equal")  # its unit is the width of a frame
    axes.set_axis_off()
    top, right = 0.0, 0.0
    for name, row in rows.items():
        ratio = _ratio(row[0][0])
        if axes.images:
            top -= (0.22 if row[0][2] else 0.08) / width
        axes.text(-0.1 / width, top - ratio / 2, name, ha="right", va="center")
        for left, (frame, scale, label) in zip(np.arange(len(row)) * 1.06, row, strict=True):
            axes.imshow(_as_image(frame), *(scale or ()), extent=(left, left + 1, top - ratio, top))
            axes.add_patch(
                Rectangle((left, top - ratio), 1, ratio, fill=False, lw=0.5, clip_on=False)
            )
            axes.text(left + 0.5, top + 0.03 / width, label, ha="center", fontsize=8)
            right = max(right, left + 1)
        top -= ratio
    if place:
        place = textwrap.fill(place, int(right * width / 0.065))
        axes.text(
            0, top - 0.08 / width, place, va="top", fontsize=8, color="0.35", parse_math=False
        )
    axes.set(xlim=(0, right), ylim=(top, 0))
    length, height = right * width, -top * width
    title = textwrap.fill(title, int((length + 2.5) / 0.095))
    figure.suptitle(title, fontsize=10, parse_math=False)
    figure.set_size_inches(length + 2.5, height + 0.5 + 0.2 * title.count("\n"))
    for label, (_, norm) in bars.items():
        images = [image for image in axes.images if image.norm is norm]
        bar = figure.colorbar(
            images[0],
            ax=axes,
            aspect=height / 0.1,
            fraction=0.13 / length,
            pad=0.1 / length,
            extend=_extend(images),
        )
        label = textwrap.fill(label, max(12, int(height / 0.08)))
        bar.set_label(label, fontsize=9, parse_math=False)
        bar.ax.tick_params(labelsize=8)
    return figure


def _extend(images: Sequence[AxesImage]) -> str:
    """At which ends a colour bar has an arrow: where values lie beyond the colours."""
    arrays = [image.get_array() for image in images]
    values = np.concatenate([np.ma.filled(a, np.nan).ravel() for a in arrays if a is not None])
    norm, known = images[0].norm, values[np.isfinite(values)]
    if not known.size or norm.vmin is None or norm.vmax is None:
        return "neither"
    below, above = known.min() < norm.vmin, known.max() > norm.vmax
    return ("both" if above else "min") if below else "max" if above else "neither"
