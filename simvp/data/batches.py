"""From the segments of a split to batches of windows, in an order that is a pure function.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import hashlib
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from simvp.data.frame_store import FrameStore
from simvp.data.scaling import Scaling
from simvp.data.segments import Segment
from simvp.data.series import Series
from simvp.data.windows import num_unused, window_starts
from simvp.errors import DataError
from simvp.metrics.similarity import SSIM_WINDOW

Batch = tuple[Tensor, Tensor]  # indices of windows (B,) and frames (B, T, C, H, W)

_READERS, _BATCHES_AHEAD = 2, 4
_POLL_SECONDS = 1e-3
# How long a batch is still waited for after a request to stop, and how often to look for one.
_STOP_SECONDS, _STOP_POLL_SECONDS = 2.0, 0.1


class StoppedWaiting(Exception):
    """The loop over batches was asked to stop while the next batch was being read."""


class WindowDataset:
    """All windows of some segments, each (T, C, H, W) float32 in network units.

    Attributes:
        window: number of frames T of a window.
        store: the frames of the segments that are long enough for a window.
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
        self.window, self._scaling = window, scaling
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
        self.store = FrameStore(self.segments, scaling=scaling, may_miss=may_miss)
        starts = [window_starts(len(s.frames), window, stride) for s in self.segments]
        self._segment_of = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
        self._start_of = np.concatenate([np.asarray(s) for s in starts])
        self._windows_of: Counter[str] = Counter()
        for segment, segment_starts in zip(self.segments, starts, strict=True):
            self._windows_of[segment.series.id] += len(segment_starts)
        self.shape = self.store.shape
        if min(self.shape[1:]) < SSIM_WINDOW:
            raise DataError(
                f"sample {self.segments[0].series.id}: has frames of {self.shape[1]}x"
                f"{self.shape[2]} cells; at least {SSIM_WINDOW}x{SSIM_WINDOW}, the window of SSIM, "
                "are needed"
            )

    def __len__(self) -> int:
        return len(self._start_of)

    def read(self, indices: Sequence[int], *, pinned: bool = False) -> Batch:
        """Read the windows with these indices, into pinned memory if a GPU is to copy them."""
        frames = torch.stack([self[index] for index in indices])
        return torch.tensor(indices), frames.pin_memory() if pinned else frames

    def __getitem__(self, index: int) -> Tensor:
        start = int(self._start_of[index])
        return self.store.read(int(self._segment_of[index]), start, start + self.window)

    def fingerprint(self) -> str:
        """A short hash of the windows: which frames of which content, and how they are scaled."""
        used = [(s.series.id, s.start, s.stop, s.step, s.fingerprint) for s in self.segments]
        layout = (used, self.window, self._start_of.tolist(), self._scaling)
        return hashlib.sha256(repr(layout).encode()).hexdigest()[:12]

    def fingerprint_of_version_1(self) -> str | None:
        """The hash of the same windows in checkpoints of version 1: of the names of the frames.

        Returns: None if there are windows that version 1 did not use. It used the first frames of
            each sample, without scaling them.
        """
        if self._scaling is not None or any(count > 1 for count in self._windows_of.values()):
            return None
        frames_of = map(self.frames_of, range(len(self)))
        names = [[s.id, *(Path(s.locate(f)).name for f in frames)] for s, frames in frames_of]
        return hashlib.sha256(repr(names).encode()).hexdigest()[:12]

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

    def frames_of(self, index: int, first: int = 0) -> tuple[Series, range]:
        """The series of a window and, within it, the window's frames from `first` on."""
        segment, start = self.segments[int(self._segment_of[index])], int(self._start_of[index])
        return segment.series, segment.frames[start + first : start + self.window]

    def series_ids(self) -> list[str]:
        """The id of the series of each window."""
        return [self.segments[int(number)].series.id for number in self._segment_of]

    def all_ids(self) -> list[str]:
        """Names of all windows."""
        return self.ids(range(len(self)))


@dataclass
class Waiting:
    """Time that a loop over `batches` has waited for data, and its total time, in seconds.

    Its first batch is left out, because nothing can be read ahead of it.
    """

    waited: float = 0.0
    total: float = 0.0


def batches(
    dataset: WindowDataset,
    batch_indices: list[list[int]],
    device: str,
    waiting: Waiting | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[Batch, None, None]:
    """The batches that `batch_indices` lists, read ahead while the caller computes.

    Args:
        device: type of the device they are for; for "cuda" they are in pinned memory.
        waiting: is updated, if given.
        should_stop: whether to give up if the next batch takes longer than a few seconds.
    Raises: StoppedWaiting.
    """
    readers = ThreadPoolExecutor(_READERS, "simvp reader")
    ahead: deque[Future[Batch]] = deque()
    todo = iter(batch_indices)
    waiting, start, is_idle = waiting or Waiting(), 0.0, _idle_test(device)
    try:
        while True:
            for indices in islice(todo, 1 + _BATCHES_AHEAD - len(ahead)):
                ahead.append(readers.submit(dataset.read, indices, pinned=device == "cuda"))
            if not ahead:
                return
            waited = _wait(ahead[0], is_idle, should_stop)
            if not ahead[0].done():
                raise StoppedWaiting
            if start:
                waiting.waited += waited
                waiting.total = time.perf_counter() - start
            else:
                start = time.perf_counter()
            yield ahead.popleft().result()
    finally:
        if ahead:  # the caller has stopped, or a batch could not be read
            dataset.segments[0].series.abort_reading()
        readers.shutdown(cancel_futures=True)


def _wait(
    batch: "Future[Batch]", is_idle: Callable[[], bool], should_stop: Callable[[], bool]
) -> float:
    """Wait until a batch has been read, or for a few seconds more if the loop should stop.

    Args:
        is_idle: whether the device has nothing to compute; until then, waiting costs no time.
    Returns: seconds for which the device was idle meanwhile.
    """
    while not batch.done() and not is_idle():
        wait([batch], timeout=_POLL_SECONDS)
    start = time.perf_counter()
    patience = _STOP_SECONDS
    while not batch.done() and patience > 0:
        wait([batch], timeout=_STOP_POLL_SECONDS)
        patience -= _STOP_POLL_SECONDS * should_stop()
    return time.perf_counter() - start


def _idle_test(device: str) -> Callable[[], bool]:
    """A function that tells whether a device has nothing to compute."""
    if device == "cuda":
        return torch.cuda.current_stream().query
    return lambda: device == "cpu"  # what was called on a CPU is done; Apple's GPU does not tell


def training_batches(
    num_windows: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    rank: int,
    world_size: int,
    visits: int = 0,
) -> list[list[int]]:
    """One process's batches of an epoch: indices of windows, shuffled by (seed, epoch).

    All processes make the same number of steps: where the windows do not divide evenly, some are
    drawn a second time.

    Args:
        visits: number of windows that an epoch visits; 0, or more than there are, for all. The
            epochs continue each other: no window is visited twice before all have been visited.
    """
    visits = min(visits, num_windows) or num_windows
    first = epoch * visits
    shuffles = range(first // num_windows, (first + visits - 1) // num_windows + 1)
    orders = [
        np.random.default_rng([seed, shuffle]).permutation(num_windows) for shuffle in shuffles
    ]
    order = np.concatenate(orders)[first % num_windows :][:visits]
    share = math.ceil(visits / world_size)
    drawn = np.resize(order, share * world_size)[rank::world_size].tolist()
    return [drawn[i : i + batch_size] for i in range(0, share, batch_size)]


def scoring_batches(
    num_windows: int, batch_size: int, *, rank: int, world_size: int
) -> list[list[int]]:
    """One process's batches when the group visits every window exactly once."""
    assigned = list(range(rank, num_windows, world_size))
    return [assigned[i : i + batch_size] for i in range(0, len(assigned), batch_size)]
