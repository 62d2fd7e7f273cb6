"""Which frames of a series are used."""

from collections.abc import Sequence

import numpy as np

from simvp.config.sections import SplitSection
from simvp.data.segments import Segment
from simvp.data.series import Series
from simvp.data.times import Times, parse_date
from simvp.errors import ConfigError, DataError

# Settings that decide which frames are used.
SELECTING = ("start", "stop", "total_length", "start_index", "init_final_only", "every")


def choose_segments(series: Sequence[Series], settings: SplitSection) -> list[Segment]:
    """Segments of `split.samples` series in random order, without those that have no frame to use.

    Raises: ConfigError or DataError if the settings do not fit a series.
    """
    order = np.random.default_rng(settings.seed).permutation(len(series)).tolist()
    if settings.samples > len(order):
        raise ConfigError(
            f"split.samples = {settings.samples}: the data contain {len(order)}; lower it"
        )
    chosen = [
        choose_segment(series[i], settings, number)
        for number, i in enumerate(order[: settings.samples or len(order)])
    ]
    segments = [segment for segment in chosen if segment is not None]
    if not segments:
        raise ConfigError(
            f"split.start = {settings.start!r}, stop = {settings.stop!r}: no sample has frames "
            f"between them; {series[0].id} has {_describe(series[0])}"
        )
    return segments


def choose_segment(series: Series, settings: SplitSection, number: int) -> Segment | None:
    """The frames of a series that the settings ask for, in the order of their use.

    Of 0..19 with total_length 5: start_index 0 gives 0 1 2 3 4, start_index 15 the last five,
    -1 any five in a row; then init_final_only keeps the first and the last of them, and reverse
    reverses their order.

    Args:
        number: of the series, from which and the seed of the split a random start is drawn.
    Returns: the segment; None if the series has no frame between `start` and `stop`.
    Raises: DataError if there are too few; ConfigError if `start` or `stop` is no frame or date.
    """
    available = frame_range(series, settings.start, settings.stop)
    if not available:
        return None
    first = max(settings.start_index, 0)
    length = settings.total_length or len(available) - first
    if length < 1 or first + length > len(available):
        raise DataError(
            f"sample {series.id}: has {len(available)} frames, but {length} from frame {first} on "
            "are requested; lower --total-length or --start-index, or complete the sample"
        )
    if settings.start_index == -1:
        rng = np.random.default_rng([settings.seed, number])
        first = int(rng.integers(len(available) - length + 1))
    frames = available[first : first + length : settings.every]
    if settings.init_final_only:
        if len(frames) < 2:
            raise DataError(
                f"sample {series.id}: --init-final-only needs 2 frames or more, found {len(frames)}"
            )
        frames = frames[:: len(frames) - 1]
    if settings.reverse:
        frames = frames[::-1]
    return Segment(series, frames.start, frames.stop, frames.step)


def frame_range(series: Series, start: str, stop: str) -> range:
    """The frames from `start` to before `stop`, each the number of a frame, a date, or empty.

    Numbers count the frames of the record, dates are those of the series.

    Raises: ConfigError if one is neither, or the series has no dates.
    """
    first = _position(series, "start", start) if start else 0
    last = _position(series, "stop", stop) if stop else series.length
    return range(first, min(last, series.length))


def _position(series: Series, name: str, text: str) -> int:
    """The frame of a number, or the first one at a date or later."""
    if text.isdecimal():
        return max(0, int(text) - series.record_start)
    number = f"the number of a frame, from 0 to {series.record_start + series.length}"
    times, seconds = time_of_date(series, name, text, instead=number)
    return int(np.searchsorted(times.values, seconds))


def time_of_date(series: Series, name: str, text: str, *, instead: str) -> tuple[Times, float]:
    """The times of a series, and a date in their unit.

    Args:
        name: of the option.
        instead: what else the option may be.
    Raises: ConfigError if the series has no dates, or it is not one.
    """
    times = series.times
    if times is None or not times.calendar:
        raise ConfigError(f"{name} = {text!r}: sample {series.id} has no dates; give {instead}")
    try:
        return times, parse_date(text, times.calendar)
    except ValueError as error:
        raise ConfigError(f"{name} = {text!r}: {error}, or {instead}") from None


def _describe(series: Series) -> str:
    """The frames of a series, with their dates if they are known."""
    times = series.times
    if times is None:
        return f"frames 0 to {series.length - 1}"
    return f"frames 0 to {series.length - 1}, {times.label(0)} to {times.label(-1)}"
