"""Draw forecasts with matplotlib: a figure of all frames, or the images of an animation.

T: frames; H, W: height and width of a frame. Missing values (NaN) are grey. Lengths are in inches.
"""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from simvp.errors import ConfigError, did_you_mean

Frames = NDArray[np.float32]
Panel = tuple[Frames, Sequence[str]]  # frames next to each other, and a label above each
Scale = tuple[Colormap, Normalize]


def colour_map(name: str) -> Colormap:
    """The matplotlib colour map of that name, grey where values are missing. Raises ConfigError."""
    if name not in colormaps:
        raise ConfigError(
            f"viz.cmap = {name!r}: unknown colour map.{did_you_mean(name, colormaps)} "
            "Use a matplotlib name such as viridis, Purples, inferno, coolwarm or gray"
        )
    return colormaps[name].with_extremes(bad="0.7")


def grid(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> Figure:
    """Four labelled rows: input (T_in, H, W), truth, prediction (T_out, H, W), difference.

    Frames more elongated than 4 : 1 are drawn as 4 : 1. If a row would have too many frames to be
    legible, only every second, third, ... is drawn, counted back from the last.

    Args:
        caption: quantity and unit of the values, which label their colour bar.
    """
    ratio = _ratio(inputs)
    smallest = max(0.55, 0.3 / ratio)  # width of a legible frame
    every = math.ceil(max(len(inputs), len(trues)) * smallest / 14)
    past, future = (np.arange((len(x) - 1) % every, len(x), every) for x in (inputs, trues))
    width = max(smallest, min(10 / max(len(past), len(future)), 2 / max(ratio, 1)))
    number = "t = {}" if width > 0.7 else "{}"
    rows = [
        (inputs[past], [number.format(step) for step in past]),
        (trues[future], [number.format(step) for step in future + len(inputs)]),
        (preds[future], []),
        ((preds - trues)[future], []),
    ]
    scales = _scales(inputs, trues, preds, cmap)
    figure = _draw(rows, scales, title, caption, columns=1, width=width)
    labels = ("input", "truth", "prediction", "difference")
    for axes, label in zip(figure.axes, labels, strict=False):  # the colour bars come last
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def animation(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> list[NDArray[np.uint8]]:
    """Truth, prediction and difference side by side: an RGB image (height, width, 3) per step."""
    ratio, shown = _ratio(inputs), (trues, preds, preds - trues)
    width = min(4, max(2.5, 1 / ratio)) / max(ratio, 1)
    labels = ("truth", "prediction", "difference")
    panels = [(frames[:1], [label]) for frames, label in zip(shown, labels, strict=True)]
    scales = _scales(inputs, trues, preds, cmap)
    figure = _draw(panels, scales, title, caption, columns=3, width=width)
    figure.set_dpi(120)
    canvas = FigureCanvasAgg(figure)
    images = []
    for step in range(len(trues)):
        figure.axes[0].set_xticklabels([f"truth, t = {len(inputs) + step}"])
        for axes, frames in zip(figure.axes, shown, strict=False):
            axes.images[0].set_data(frames[step])
        canvas.draw()
        figure.set_layout_engine("none")  # all images have the layout of the first
        images.append(np.array(canvas.buffer_rgba())[..., :3])
    return images


def _ratio(frames: Frames) -> float:
    """Height of a frame as drawn, relative to its width."""
    return float(np.clip(frames.shape[1] / frames.shape[2], 0.25, 4))


def _scales(inputs: Frames, trues: Frames, preds: Frames, cmap: str) -> list[Scale]:
    """The colours of values and of differences.

    The first span the true values only, so that outliers of a forecast do not reduce contrast; the
    second are white at zero.
    """
    values = np.concatenate([inputs, trues])
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    margin = 0.0 if values.min() < values.max() else 0.5
    errors = np.abs(preds - trues)
    largest = errors.max(where=np.isfinite(errors), initial=0) or 1.0
    return [
        (colour_map(cmap), Normalize(values.min() - margin, values.max() + margin)),
        (colour_map("RdBu_r"), Normalize(-largest, largest)),
    ]


def _draw(
    panels: Sequence[Panel],
    scales: Sequence[Scale],
    title: str,
    caption: str,
    *,
    columns: int,
    width: float,
) -> Figure:
    """Panels in `columns`, the last of them with the difference; `width` is that of a frame."""
    frames_width = width * max(len(frames) for frames, _ in panels)
    height = width * _ratio(panels[0][0])
    rows = len(panels) // columns
    title = textwrap.fill(title, int((columns * frames_width + 2) / 0.095))
    lines = title.count("\n") + 1
    size = (columns * frames_width + 2, rows * (height + 0.1) + 0.3 + 0.2 * lines)
    figure = Figure(size, dpi=200, layout="compressed")
    figure.suptitle(title, fontsize=10, parse_math=False)
    axes = figure.subplots(rows, columns)
    for scale, some, label in [(scales[0], slice(-1), caption), (scales[1], slice(-1, None), "")]:
        for one, panel in zip(axes[some], panels[some], strict=True):
            _show(one, panel, scale, columns=frames_width / width)
        bar_height = height * (len(axes[some]) if columns == 1 else 1)
        bar = figure.colorbar(
            axes[some][0].images[0],
            ax=axes[some],
            aspect=bar_height / 0.1,
            fraction=0.13 / frames_width,
            pad=0.1 / frames_width,
        )
        label = textwrap.fill(label, max(12, int(bar_height / 0.08)))
        bar.set_label(label, fontsize=9, parse_math=False)
        bar.ax.tick_params(labelsize=8)
    return figure


def _show(axes: Axes, panel: Panel, scale: Scale, *, columns: float) -> None:
    """Draw a row of frames in axes with room for `columns` of them."""
    (frames, labels), step = panel, 1.06  # from one frame to the next, in widths of a frame
    ratio = _ratio(frames)
    for left, frame in zip(np.arange(len(frames)) * step, frames, strict=True):
        axes.imshow(frame, *scale, extent=(left, left + 1, 0, ratio))
        axes.add_patch(Rectangle((left, 0), 1, ratio, fill=False, lw=0.5, clip_on=False))
    axes.set(xlim=(0, (columns - 1) * step + 1), ylim=(0, ratio), yticks=[])
    axes.set_xticks(np.arange(len(labels)) * step + 0.5, labels, fontsize=8)
    axes.tick_params(length=0, pad=2, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
