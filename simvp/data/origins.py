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

    def read(self, scaling: Scaling, *, may_miss: bool) -> Frames:
        """The input frames (T, C, H, W) in network units.

        Raises: DataError if one is damaged, or a value is infinite, or missing without `may_miss`.
        """
        first = self.last - (self.inputs - 1) * self.step
        segment = Segment(self.series, first, self.last + 1, self.step)
        frames = segment.read_stored(0, self.inputs)
        check_finite(segment, frames, 0, may_miss=may_miss)
        stored = self.series.stored_scaling
        if stored is None:
            return frames if scaling.is_identity else scaling.to_unit(frames)
        # Values that are scaled alike need no calculation, which would round them.
        return frames if stored == scaling else scaling.to_unit(stored.to_physical(frames))

    def start(self, steps: int) -> Start:
        """Where and when the forecast of a number of steps begins."""
        return Start(self.series.id, self.last, self._times(steps))

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
    """The forecasts to make, and the ids of series that are too short for any.

    Args:
        at: the last input frame: its number, a date, "all" for every possible one, or empty for the
            last frame of each series.
    Raises: ConfigError if `at` is none of these; DataError if no series is long enough.
    """
    needed = (inputs - 1) * step + 1
    origins: list[Origin] = []
    left_out = []
    for item in series:
        if at == "all":
            chosen: Sequence[int] = range(needed - 1, item.length)
        else:
            chosen = [_last_input(item, at)]
        found = [Origin(item, last, inputs, step) for last in chosen if last >= needed - 1]
        origins += found
        left_out += [] if found else [item.id]
    if not origins:
        first = series[0]
        last = first.length - 1 if at == "all" else _last_input(first, at)
        raise DataError(
            f"sample {first.id}: has {last + 1} frames up to the beginning of the forecast, but "
            f"{needed} are needed as input; give more frames, or a later --at"
        )
    return origins, left_out


def _last_input(series: Series, at: str) -> int:
    """The frame of a number, or the last one at a date or earlier. Raises ConfigError."""
    if not at:
        return series.length - 1
    if at.isdecimal():
        if int(at) >= series.length:
            raise ConfigError(
                f"at = {at}: sample {series.id} has the frames 0 to {series.length - 1}"
            )
        return int(at)
    number = f"the number of a frame, from 0 to {series.length - 1}, or all"
    times, seconds = time_of_date(series, "at", at, instead=number)
    if seconds > times.values[-1]:
        raise ConfigError(f"at = {at!r}: sample {series.id} ends at {times.label(-1)}")
    return int(np.searchsorted(times.values, seconds, side="right")) - 1
