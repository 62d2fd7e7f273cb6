"""From the segments of a split to batches of windows, in an order that is a pure function.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import hashlib
import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from simvp.data.scaling import Scaling
from simvp.data.series import Segment, check_finite
from simvp.data.windows import num_unused, window_starts
from simvp.errors import DataError
from simvp.metrics.similarity import SSIM_WINDOW
from simvp.progress import Advance

Batch = tuple[Tensor, Tensor]  # indices of windows (B,) and frames (B, T, C, H, W)

# A data set is cached in memory if it takes at most this share of the free memory.
MEMORY_SHARE = 0.25
_READERS, _BATCHES_AHEAD = 2, 4


class WindowDataset:
    """All windows of some segments, each (T, C, H, W) float32 in network units.

    Frames are read when a window is first asked for. After `keep_in_memory` every segment is read
    only once.

    Attributes:
        segments: those that are long enough for a window.
        num_unused: number of frames that are in no window.

    Raises: DataError if no segment is long enough, or one has lost frames since the split was made.
        Damaged, changed and non-finite frames are found when they are read.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        *,
        window: int,
        stride: int,
        scaling: Scaling | None,
        may_miss: bool = False,
    ) -> None:
        """Lay out the windows.

        Args:
            window: number of frames T of a window.
            stride: number of frames from the start of a window to the start of the next one.
            scaling: from stored values to network units; None if they are the same.
            may_miss: whether values may be missing (NaN).
        """
        self._may_miss = may_miss
        self._window, self._scaling = window, scaling
        self.segments = [segment for segment in segments if len(segment.frames) >= window]
        self.num_unused = sum(num_unused(len(s.frames), window, stride) for s in segments)
        if not self.segments:
            longest = max(segments, key=lambda segment: len(segment.frames))
            raise DataError(
                f"sample {longest.series.id} has {len(longest.frames)} frames in the split file, "
                f"and no sample has more, but {window} are needed for input and forecast; lower "
                "--pre-seq-length or --aft-seq-length, or make a split of longer samples"
            )
        for segment in self.segments:
            segment.check_length()
        starts = [window_starts(len(s.frames), window, stride) for s in self.segments]
        self._segment_of = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
        self._start_of = np.concatenate([np.asarray(s) for s in starts])
        self._windows_of: Counter[str] = Counter()
        for segment, segment_starts in zip(self.segments, starts, strict=True):
            self._windows_of[segment.series.id] += len(segment_starts)
        self._cache: list[Tensor | None] | None = None
        self._lock = threading.Lock()
        self.shape = self.segments[0].series.shape
        if min(self.shape[1:]) < SSIM_WINDOW:
            raise DataError(
                f"sample {self.segments[0].series.id}: has frames of {self.shape[1]}x"
                f"{self.shape[2]} cells; at least {SSIM_WINDOW}x{SSIM_WINDOW}, the window of SSIM, "
                "are needed"
            )

    def __len__(self) -> int:
        return len(self._start_of)

    def keep_in_memory(self, free: int) -> bool:
        """Cache what is read from now on, if all of it fits in MEMORY_SHARE of `free` bytes."""
        num_frames = sum(len(segment.frames) for segment in self.segments)
        fits = num_frames * math.prod(self.shape) * 4 <= MEMORY_SHARE * free
        if fits:
            self._cache = [None] * len(self.segments)
        return fits

    def load(self, advance: Advance) -> None:
        """Read all segments into the cache. Raises DataError if one is damaged or has changed."""
        for number in range(len(self.segments)):
            self._cached(number)
            advance(1, "")

    def read(self, indices: Sequence[int], *, pinned: bool = False) -> Batch:
        """Read the windows with these indices, into pinned memory if a GPU is to copy them."""
        frames = torch.stack([self[index] for index in indices])
        return torch.tensor(indices), frames.pin_memory() if pinned else frames

    def __getitem__(self, index: int) -> Tensor:
        number, start = int(self._segment_of[index]), int(self._start_of[index])
        if self._cache is not None:
            return self._cached(number)[start : start + self._window]
        return self._read(number, start, start + self._window)

    def _cached(self, number: int) -> Tensor:
        """A segment in memory; it is read by the first thread that needs it."""
        assert self._cache is not None
        with self._lock:
            cached = self._cache[number]
            if cached is None:
                cached = self._cache[number] = self._read(number, 0, None)
        return cached

    def _read(self, number: int, first: int, last: int | None) -> Tensor:
        """Read frames of a segment and check them."""
        segment = self.segments[number]
        frames = segment.read_stored(first, len(segment.frames) if last is None else last)
        segment.check_unchanged(frames, first)
        check_finite(segment, frames, first, may_miss=self._may_miss)
        return torch.from_numpy(frames if self._scaling is None else self._scaling.to_unit(frames))

    def fingerprint(self) -> str:
        """A short hash of the windows: which frames of which content, and how they are scaled."""
        used = [(s.series.id, s.start, s.stop, s.step, s.fingerprint) for s in self.segments]
        layout = (used, self._window, self._start_of.tolist(), self._scaling)
        return hashlib.sha256(repr(layout).encode()).hexdigest()[:12]

    def id(self, index: int) -> str:
        """Name of a window: the id of its series, and `@` its first frame if it has several."""
        segment = self.segments[int(self._segment_of[index])]
        name = segment.series.id
        if self._windows_of[name] == 1:
            return name
        return f"{name}@{segment.frames[int(self._start_of[index])]}"

    def ids(self, indices: Sequence[int]) -> list[str]:
        """Names of several windows."""
        return [self.id(index) for index in indices]

    def series_ids(self) -> list[str]:
        """The id of the series of each window."""
        return [self.segments[int(number)].series.id for number in self._segment_of]

    def all_ids(self) -> list[str]:
        """Names of all windows."""
        return self.ids(range(len(self)))


def batches(dataset: WindowDataset, batch_indices: list[list[int]], device: str) -> Iterator[Batch]:
    """The batches that `batch_indices` lists, read ahead while the caller computes.

    Args:
        device: type of the device they are for; for "cuda" they are in pinned memory.
    """
    readers = ThreadPoolExecutor(_READERS, "simvp reader")
    ahead: deque[Future[Batch]] = deque()
    try:
        for indices in batch_indices:
            ahead.append(readers.submit(dataset.read, indices, pinned=device == "cuda"))
            if len(ahead) > _BATCHES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)


def training_batches(
    num_windows: int, batch_size: int, *, seed: int, epoch: int, rank: int, world_size: int
) -> list[list[int]]:
    """One process's batches of an epoch: indices of windows, shuffled by (seed, epoch).

    All processes make the same number of steps: where the windows do not divide evenly, some are
    drawn a second time.
    """
    order = np.random.default_rng([seed, epoch]).permutation(num_windows)
    share = math.ceil(num_windows / world_size)
    drawn = np.resize(order, share * world_size)[rank::world_size].tolist()
    return [drawn[i : i + batch_size] for i in range(0, share, batch_size)]


def scoring_batches(
    num_windows: int, batch_size: int, *, rank: int, world_size: int
) -> list[list[int]]:
    """One process's batches when the group visits every window exactly once."""
    assigned = list(range(rank, num_windows, world_size))
    return [assigned[i : i + batch_size] for i in range(0, len(assigned), batch_size)]
