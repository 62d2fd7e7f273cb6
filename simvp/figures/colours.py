"""Colours of frames and of differences: colour maps, ranges and labels of colour bars.

T: frames; H, W: height and width of a frame. Missing values (NaN) are grey. Frames of shape
(T, 3, H, W) are colour pictures, red, green and blue from 0 to 1.
"""

import math
from collections.abc import Iterable

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from simvp.errors import ConfigError, did_you_mean

Frames = NDArray[np.float32]
Scale = tuple[Colormap, Normalize]

_MISSING = 0.7  # shade of grey


def colour_map(name: str) -> Colormap:
    """The matplotlib colour map of that name, grey where values are missing. Raises ConfigError."""
    if name not in colormaps:
        raise ConfigError(
            f"viz.cmap = {name!r}: unknown colour map.{did_you_mean(name, colormaps)} "
            "Use a matplotlib name such as viridis, Purples, inferno, coolwarm or gray"
        )
    return colormaps[name].with_extremes(bad=str(_MISSING))


def differences(trues: Frames, preds: Frames) -> Frames:
    """Forecast minus truth, (T, H, W); of colour pictures the mean of the three channels."""
    errors = preds - trues
    return errors.mean(axis=1) if errors.ndim == 4 else errors


def scale_of_values(inputs: Frames, trues: Frames, preds: Frames, cmap: str) -> Scale | None:
    """The colours of values; None for colour pictures.

    They span the true values only, so that outliers of a forecast do not reduce contrast; if the
    truth is constant, they span the forecast too.
    """
    if trues.ndim == 4:
        return None
    low, high = _range(inputs, trues)
    if low == high:
        low, high = _range(inputs, trues, preds)
    margin = 0.0 if low < high else 0.5
    return colour_map(cmap), Normalize(low - margin, high + margin)


def scale_of_differences(errors: Frames) -> Scale:
    """The colours of differences, white at zero."""
    largest = np.abs(errors).max(where=np.isfinite(errors), initial=0) or 1.0
    return colour_map("RdBu_r"), Normalize(-largest, largest)


def describe_excess(inputs: Frames, trues: Frames, preds: Frames) -> str:
    """The range of a forecast that leaves the range of the true values; otherwise empty."""
    low, high = _range(inputs, trues)
    least, most = _range(preds)
    if not np.isfinite(preds).any() or (low <= least and most <= high):
        return ""
    span = max(most, high) - min(least, low)
    decimals = 2 - math.floor(math.log10(span))
    least, most = (round(value, decimals) for value in (least, most))
    return f"forecast: {least:.8g} to {most:.8g}"


def arrows(norm: Normalize, arrays: Iterable[Frames]) -> str:
    """At which ends a colour bar has an arrow: where values lie beyond the colours."""
    low, high = _range(*arrays)
    assert norm.vmin is not None and norm.vmax is not None
    below, above = low < norm.vmin, high > norm.vmax
    return ("both" if above else "min") if below else "max" if above else "neither"


def as_image(frame: Frames) -> Frames:
    """A frame as matplotlib draws it: colours (3, H, W) last, and grey where one is missing."""
    if frame.ndim == 2:
        return frame
    missing = np.isnan(frame).any(axis=0, keepdims=True)
    return np.moveaxis(np.where(missing, _MISSING, np.clip(frame, 0, 1)), 0, -1).astype(np.float32)


def _range(*arrays: Frames) -> tuple[float, float]:
    """The smallest and largest known value; 0 if there is none."""
    values = np.concatenate([array.ravel() for array in arrays])
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    return float(values.min()), float(values.max())
