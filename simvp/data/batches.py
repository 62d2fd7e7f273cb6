"""From the samples of a split to batches of frames, in an order that is a pure function.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import hashlib
import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from simvp.data.frames import read_frame, read_sample
from simvp.data.split import Sample
from simvp.errors import DataError
from simvp.metrics import SSIM_WINDOW

Batch = tuple[Tensor, Tensor]  # indices (B,) and frames (B, T, C, H, W)

# A data set is kept in memory if it needs no more than this share of what is free.
MEMORY_SHARE = 0.25
_READERS, _BATCHES_AHEAD = 2, 4


class SampleDataset:
    """The first `num_frames` frames of each sample, as (T, C, H, W) float32.

    A sample is read when it is first asked for; after `keep_in_memory` it is read only once.

    Raises: DataError if a sample has too few frames, or one is missing or bad; a bad frame is
        found when its sample is read.
    """

    def __init__(self, samples: Sequence[Sample], *, num_frames: int) -> None:
        self.samples = [sample.first(num_frames) for sample in samples]
        for sample in self.samples:
            if len(sample.frames) < num_frames:
                raise DataError(
                    f"sample {sample.id} has {len(sample.frames)} frames in the split file, but "
                    f"{num_frames} are needed to be given and to forecast; lower "
                    "--pre-seq-length or --aft-seq-length, or make a longer split"
                )
            for path in sample.frames:
                if not os.path.isfile(path):
                    raise DataError(
                        f"{path}: is listed in the split file, but there is no such file; "
                        "restore it, or make another split with `simvp split`"
                    )
        self._kept: Tensor | None = None
        self._is_kept = np.zeros(len(self.samples), dtype=bool)
        first = self.samples[0].frames[0]
        self.frame_shape: tuple[int, int, int] = read_frame(first).shape
        if min(self.frame_shape[1:]) < SSIM_WINDOW:
            raise DataError(
                f"{first}: is {self.frame_shape[1]}x{self.frame_shape[2]} pixels; frames need "
                f"{SSIM_WINDOW}x{SSIM_WINDOW} at least, the window of SSIM"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def keep_in_memory(self, free: int) -> bool:
        """Keep what is read from now on, if all of it fits in MEMORY_SHARE of `free` bytes."""
        shape = (len(self), len(self.samples[0].frames), *self.frame_shape)
        fits = math.prod(shape) * 4 <= MEMORY_SHARE * free
        if fits:
            self._kept = torch.empty(shape)
        return fits

    def read(self, indices: Sequence[int], *, pinned: bool = False) -> Batch:
        """The samples with these indices, in memory that a GPU can copy from if `pinned`."""
        chosen = torch.tensor(indices)
        if self._kept is None:
            frames = torch.stack([self[index] for index in indices])
        else:
            for index in indices:
                if not self._is_kept[index]:
                    self._kept[index] = self[index]
                    self._is_kept[index] = True
            frames = self._kept[chosen]
        return chosen, frames.pin_memory() if pinned else frames

    def __getitem__(self, index: int) -> Tensor:
        sample = self.samples[index]
        frames, checksums = read_sample(sample.frames)
        if sample.checksums is not None and checksums != sample.checksums:
            raise DataError(
                f"sample {sample.id}: its frames have changed since the split was made; restore "
                "them, or make another split with `simvp split`"
            )
        if frames.shape[1:] != self.frame_shape:
            raise DataError(
                f"{sample.frames[0]}: has shape {frames.shape[1:]}, but the first "
                f"sample has {self.frame_shape}; all samples need one shape"
            )
        return torch.from_numpy(frames)

    def fingerprint(self) -> str:
        """A short hash of the samples' ids and frames' names, in order."""
        names = [[s.id, *(os.path.basename(path) for path in s.frames)] for s in self.samples]
        return hashlib.sha256(repr(names).encode()).hexdigest()[:12]

    def check_same_shape(self, other: "SampleDataset") -> None:
        """Raises DataError if the other data set's frames have another shape."""
        if self.frame_shape != other.frame_shape:
            raise DataError(
                f"{self.samples[0].frames[0]}: has shape {self.frame_shape}, but "
                f"{other.samples[0].frames[0]} has {other.frame_shape}; all samples need one shape"
            )

    def ids(self, indices: Sequence[int]) -> list[str]:
        return [self.samples[index].id for index in indices]


def batches(dataset: SampleDataset, batch_indices: list[list[int]], device: str) -> Iterator[Batch]:
    """The batches that `batch_indices` lists, read ahead while the caller computes.

    Args:
        device: where they will go; for "cuda" they come in pinned memory.
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
    num_samples: int, batch_size: int, *, seed: int, epoch: int, rank: int, world_size: int
) -> list[list[int]]:
    """One process's batches of an epoch: indices of samples, shuffled by (seed, epoch).

    All processes make the same number of steps: where the samples do not divide evenly, some
    are drawn a second time.
    """
    order = np.random.default_rng([seed, epoch]).permutation(num_samples)
    share = math.ceil(num_samples / world_size)
    own = np.resize(order, share * world_size)[rank::world_size].tolist()
    return [own[i : i + batch_size] for i in range(0, share, batch_size)]


def scoring_batches(
    num_samples: int, batch_size: int, *, rank: int, world_size: int
) -> list[list[int]]:
    """One process's batches when every sample is to be visited exactly once, by the group."""
    own = list(range(rank, num_samples, world_size))
    return [own[i : i + batch_size] for i in range(0, len(own), batch_size)]
