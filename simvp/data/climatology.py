"""Climatology: what is usual at a time of the year, the mean of the training part.

D: days; B: windows; T: frames; C': forecast channels; H, W: height and width.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simvp.data.batches import WindowDataset
from simvp.data.frame_store import FrameStore
from simvp.data.segments import Segment
from simvp.data.series import Series
from simvp.progress import Report
from simvp.runtime.group import Group
from simvp.runtime.machine import find_machine
from simvp.runtime.memory import free_memory

# Days before each month of a leap year, so that a date is the same day in every year.
_BEFORE_MONTH = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])
_DAYS = 366
_LEAST_DAYS = 360  # of a year, in the shortest calendar
_SECONDS = 86400.0

_MEMORY_SHARE = 0.25  # of the free memory, at most, for all processes of a machine


@dataclass(frozen=True)
class Climatology:
    """Mean fields of the training part.

    Attributes:
        fields: in network units, (D, C', H, W), float32; NaN where no value is known.
        days: what day of a leap year each is of, sorted, (D,); one field of all frames if the
            season is not known.
    """

    fields: Tensor
    days: NDArray[np.int64]

    @property
    def is_seasonal(self) -> bool:
        """Whether the fields depend on the day of the year."""
        return len(self.days) > 1

    def of(self, dataset: WindowDataset, indices: Sequence[int], *, first: int) -> Tensor:
        """What is usual at the frames from `first` on of some windows, (B, T, C', H, W).

        A day that the training part does not have is replaced by the nearest one.
        """
        if not self.is_seasonal:
            steps = dataset.window - first
            return self.fields.expand(len(indices), steps, *self.fields.shape[1:])
        wanted = np.stack([_days(*dataset.frames_of(index, first)) for index in indices])
        distance = np.abs(wanted[..., None] - self.days)
        nearest = np.minimum(distance, _DAYS - distance).argmin(axis=-1)
        return self.fields[torch.from_numpy(nearest)]


def find_climatology(
    store: FrameStore, fill: Sequence[float], group: Group, report: Report
) -> Climatology | None:
    """The climatology of training frames: of each day of the year if they have dates of a year.

    All processes of the group call this, and each reads a part of the frames.

    Args:
        fill: mean of each forecast channel in network units, for cells without any value.
    Returns: the climatology; None if its fields do not fit in a quarter of the free memory.
    Raises: DataError, the same in all processes, if a frame is damaged.
    """
    days = _all_days(store.segments)
    known = np.unique(np.concatenate(days)) if days else np.zeros(1, np.int64)
    shape = (len(known), len(fill), *store.shape[1:])
    needed = 16 * math.prod(shape) * len(find_machine(group).ranks)
    if group.max(int(needed > _MEMORY_SHARE * free_memory())):
        return None
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    with report.progress("climatology", store.num_frames) as advance:
        work = _accumulate(store, days, known, sums, counts, group)
        group.in_rounds(work, lambda count: advance(count, ""))
    total, count = group.sum(torch.from_numpy(sums)), group.sum(torch.from_numpy(counts))
    usual = torch.tensor(fill, dtype=total.dtype)[:, None, None].expand_as(total)
    return Climatology(torch.where(count > 0, total / count, usual).float(), known)


def _accumulate(
    store: FrameStore,
    days: Sequence[NDArray[np.int64]],
    known: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
    group: Group,
) -> Iterator[int]:
    """Add this process's frames to the sums; yield the number of frames of each piece."""
    channels = sums.shape[1]
    for number in range(group.rank, len(store.segments), group.world_size):
        for first, last in store.segments[number].pieces():
            frames = store.read(number, first, last)[:, :channels].numpy()
            day = days[number][first:last] if days else np.zeros(last - first, np.int64)
            for which in np.unique(day):
                of_day, at = frames[day == which], int(np.searchsorted(known, which))
                valid = np.isfinite(of_day)
                sums[at] += np.where(valid, of_day, 0).sum(axis=0, dtype=np.float64)
                counts[at] += valid.sum(axis=0)
            yield last - first


def _all_days(segments: Sequence[Segment]) -> list[NDArray[np.int64]]:
    """The day of each frame of each segment; empty unless they have dates of a year or more."""
    seconds = []
    for segment in segments:
        times = segment.series.times
        if times is None or not times.calendar:
            return []
        seconds += [times.values[segment.start], times.values[segment.frames[-1]]]
    if max(seconds) - min(seconds) < (_LEAST_DAYS - 1) * _SECONDS:
        return []
    return [_days(segment.series, segment.frames) for segment in segments]


def _days(series: Series, frames: range) -> NDArray[np.int64]:
    """What day of a leap year frames of a series with dates are of, (T,)."""
    times = series.times
    assert times is not None
    dates = times.take(np.asarray(frames)).dates()
    return np.array([_BEFORE_MONTH[date.month - 1] + date.day for date in dates], np.int64)
