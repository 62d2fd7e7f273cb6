"""What figures write beside frames: dates or lead times, and coordinates."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simvp.config import Config
from simvp.data.card import DatasetCard
from simvp.data.description import DataDescription
from simvp.data.series import Coordinates
from simvp.data.split import Split, read_split
from simvp.engine.saved_forecasts import read_metrics
from simvp.errors import UserError
from simvp.figures.coordinates import Axis
from simvp.runs import RunFolder

_DEGREES = re.compile(r"degrees?_?(north|east|n|e)", re.IGNORECASE)
_CIRCLE = 360.0  # degrees of longitude


def split_of_test(folder: RunFolder, config: Config) -> Split | None:
    """The split whose samples a test has saved; None if the data are not there any more."""
    try:
        return read_split(Path(read_metrics(folder).get("split") or config.data.split))
    except UserError:  # a figure does not need dates and coordinates
        return None


def sample_times(split: Split | None, sample_id: str, count: int) -> list[str]:
    """The time of each frame of a window; empty if it is not known."""
    parts = split.parts.values() if split is not None else ()
    series_id, _, start = sample_id.rpartition("@")
    for segment in (segment for part in parts for segment in part):
        known = segment.series.times
        if known is None:
            continue
        if segment.series.id == sample_id:
            frames = segment.frames[:count]
        elif segment.series.id == series_id and start.isdecimal() and int(start) in segment.frames:
            first = segment.frames.index(int(start))
            frames = segment.frames[first : first + count]
        else:
            continue
        if len(frames) == count:
            return [known.label(frame) for frame in frames]
    return []


def frame_labels(
    card: DatasetCard, step: int, *, num_inputs: int, num_steps: int, times: Sequence[str]
) -> list[list[str]]:
    """Labels of input and forecast frames in up to two versions: times and lead times.

    Args:
        step: frames of the files from one frame to the next one.
        times: of each frame; empty if they are not known.
    """
    steps = range(1 - num_inputs, num_steps + 1)
    leads = [time_after(card, step * i, is_signed=True) for i in steps]
    # A time of day is written below the date.
    return [
        version
        for version in ([time.replace(" ", "\n") for time in times], leads)
        if version and all(version)
    ]


def time_after(card: DatasetCard, count: int, *, is_signed: bool = False) -> str:
    """`6 hours`: the time that a number of frames takes; empty if the card does not say.

    Args:
        is_signed: whether positive times begin with a plus.
    """
    found = re.fullmatch(r"(\d+\.?\d*(?:e[+-]?\d+)?)\s*(.*)", card.time_step.strip())
    if found is None:
        return ""
    value, unit = count * float(found[1]), found[2]
    if len(unit) > 2:
        unit = unit.removesuffix("s") + "s" * (abs(value) != 1)
    sign = "+" if is_signed and value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{abs(value):.6g} {unit}".strip()


def frame_interval(data: DataDescription) -> str:
    """The time from one frame that is used to the next; empty if it is a step without a unit."""
    card, every = data.card, data.step
    if card.time_step in ("", "1 step"):
        return "" if every == 1 else f"{every} steps"
    if every == 1:
        return card.time_step
    return time_after(card, every) or f"{every} x {card.time_step}"


def frame_axes(coordinates: Coordinates, shape: tuple[int, int]) -> tuple[Axis | None, Axis | None]:
    """The coordinates of rows and columns, as far as there are any that ascend or descend."""
    y, x = (
        _axis(coordinates, dim, size) for dim, size in zip(coordinates.dims, shape, strict=True)
    )
    return y, x


def _axis(coordinates: Coordinates, dim: str, size: int) -> Axis | None:
    if dim not in coordinates.variables:
        return None
    _, values, attributes = coordinates.variables[dim]
    unit = attributes.get("units", "")
    degrees = _DEGREES.fullmatch(unit)
    if degrees is not None:
        unit = f"°{degrees[1][0].upper()}"
    period = _CIRCLE if unit == "°E" else 0.0
    if period:
        values = np.unwrap(values, period=period)
    steps = np.diff(values)
    if values.shape != (size,) or not ((steps > 0).all() or (steps < 0).all()):
        return None
    name = attributes.get("long_name") or attributes.get("standard_name") or dim
    return Axis(f"{name.replace('_', ' ')} ({unit})" if unit else name, values, period)
