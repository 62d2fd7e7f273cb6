"""Where forecasts begin: the last input frame of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simvp.data.cf_time import continued
from simvp.data.forecast_files import Start
from simvp.data.scaling import Scaling
from simvp.data.segments import Segment, check_finite
from simvp.data.selection import time_of_date
from simvp.data.series import Frames, Series
from simvp.data.times import Times
from simvp.errors import ConfigError, DataError


@dataclass(frozen=True)
class Origin:
    """The input of a forecast: the last frames of a series up to `last`.

    Attributes:
        last: index of the last input frame.
        inputs: number of input frames.
        step: frames of the files from one input frame to the next.
    """

    series: Series
    last: int
    inputs: int
    step: int

    def read(self, scaling: Scaling, *, may_miss: bool, num_forecast: int | None = None) -> Frames:
        """The input frames (T, C, H, W) in network units.

        Args:
            num_forecast: number of channels that are forecast, the first ones; None for all.
        Raises: DataError if one is damaged or has no values, or a value is infinite, or missing
            without `may_miss`.
        """
        first = self.last - (self.inputs - 1) * self.step
        segment = Segment(self.series, first, self.last + 1, self.step)
        frames = segment.read_stored(0, self.inputs)
        check_finite(segment, frames, 0, may_miss=may_miss)
        empty = np.isnan(frames[:, :num_forecast]).all(axis=(1, 2, 3))
        if empty.any():
            name = self.series.locate(segment.frames[int(empty.argmax())])
            raise DataError(
                f"{name}: has no values, but is one of the {self.inputs} input frames; choose "
                "another last input frame with --at"
            )
        stored = self.series.stored_scaling
        if stored is None:
            return frames if scaling.is_identity else scaling.to_unit(frames)
        # Values that are scaled alike need no calculation, which would round them.
        return frames if stored == scaling else scaling.to_unit(stored.to_physical(frames))

    def start(self, steps: int) -> Start:
        """Where and when the forecast of a number of steps begins."""
        return Start(self.series.id, self.last, self._times(steps))

    def labels(self, steps: int) -> list[str]:
        """The date of each input and forecast frame; empty if they are not known."""
        future, times = self._times(steps), self.series.times
        if future is None or times is None or not times.calendar:
            return []
        first = self.last - (self.inputs - 1) * self.step
        past = [times.label(i) for i in range(first, self.last + 1, self.step)]
        return [*past, *(future.label(i) for i in range(1, steps + 1))]

    def _times(self, steps: int) -> Times | None:
        """The times of the last input frame and of the forecast, if they are known."""
        times = self.series.times
        if times is None or times.values.size < 2:
            return None
        future = continued(times, self.last, steps, self.step)
        values = np.concatenate([times.values[self.last : self.last + 1], future.values])
        return Times(values, times.unit, times.calendar)


def find_origins(
    series: Sequence[Series], at: str, *, inputs: int, step: int
) -> tuple[list[Origin], list[str]]:
    """The forecasts to make, and the ids of series and records that have too few frames for any.

    Args:
        at: the last input frame: its number within its series or record, a date, "all" for every
            possible one, or empty for the last frame of each series or record.
    Raises: ConfigError if `at` is none of these, or no series has this frame; DataError if no
        series has enough frames before it.
    """
    needed = (inputs - 1) * step + 1
    records: dict[str, list[Series]] = {}
    for item in series:
        records.setdefault(item.record or item.id, []).append(item)
    origins: list[Origin] = []
    left_out = []
    for name, pieces in records.items():
        last_inputs = _last_inputs(pieces, at)
        found = [
            Origin(item, last, inputs, step) for item, last in last_inputs if last + 1 >= needed
        ]
        origins += found
        left_out += [] if found else [name]
    if not origins:
        name, pieces = next(iter(records.items()))
        candidates = _last_inputs(pieces, at)
        if not candidates:
            raise ConfigError(f"at = {at}: sample {name} has {_extent(pieces, at)}")
        last = max(last for _, last in candidates)
        raise DataError(
            f"sample {candidates[-1][0].id}: has {last + 1} frames up to the beginning of the "
            f"forecast, but {needed} are needed as input; give more frames, or a later --at"
        )
    return origins, left_out


def describe_date(origins: Sequence[Origin], at: str) -> list[str]:
    """A line if the date `at`, as in `find_origins`, is between two frames of a series."""
    if not at or at == "all" or at.isdecimal():
        return []
    for origin in origins:
        times, seconds = time_of_date(origin.series, "at", at, instead="")
        if times.values[origin.last] != seconds:
            return [
                f"no frame of {origin.series.id} is at {at}; its last input frame is the one "
                f"before, at {times.label(origin.last)}"
            ]
    return []


def _last_inputs(pieces: Sequence[Series], at: str) -> list[tuple[Series, int]]:
    """The pieces of a record where forecasts begin, and the last input frame within each.

    A date means the last frame at this date or earlier.

    Returns: an empty list if the record does not have the frame.
    Raises: ConfigError if `at` is not the number of a frame, a date or "all".
    """
    if at == "all":
        return [(piece, last) for piece in pieces for last in range(piece.length)]
    if not at:
        return [(pieces[-1], pieces[-1].length - 1)]
    if at.isdecimal():
        numbers = ((piece, int(at) - piece.record_start) for piece in pieces)
        return [(piece, last) for piece, last in numbers if 0 <= last < piece.length]
    number = f"the number of a frame, from 0 to {_num_frames(pieces) - 1}, or all"
    found = [(piece, *time_of_date(piece, "at", at, instead=number)) for piece in pieces]
    _, last_times, seconds = found[-1]
    if seconds > last_times.values[-1]:
        return []
    begun = [(piece, times) for piece, times, _ in found if times.values[0] <= seconds]
    return [
        (piece, int(np.searchsorted(times.values, seconds, side="right")) - 1)
        for piece, times in begun[-1:]
    ]


def _num_frames(pieces: Sequence[Series]) -> int:
    return pieces[-1].record_start + pieces[-1].length


def _extent(pieces: Sequence[Series], at: str) -> str:
    """The frames of a record, or its dates if it was asked for one."""
    first, last = pieces[0].times, pieces[-1].times
    if at.isdecimal() or first is None or last is None:
        return f"the frames 0 to {_num_frames(pieces) - 1}"
    return f"frames from {first.label(0)} to {last.label(-1)}"
