"""The frames of a part: read from the data set, from a cache on disk, or held in memory.

T: frames; C: channels; H, W: height and width.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from simvp.data.frame_cache import FrameCache
from simvp.data.scaling import Scaling
from simvp.data.segments import Segment, check_finite
from simvp.data.series import Frames

_BLOCK_BYTES = 2**25


class FrameStore:
    """The frames of some segments in network units.

    All frames together have one order, that of the ids of their series. Blocks of consecutive ones
    are what is read, cached and shared between processes.

    Attributes:
        segments: the segments, as given.
        shape: of a frame, (C, H, W).
        num_frames, nbytes: number and size of all frames, float32.
        block_length: number of frames of a block; the last one may be shorter.
        cache: copies of the frames on disk; None if there are none.
    """

    def __init__(
        self, segments: Sequence[Segment], *, scaling: Scaling | None, may_miss: bool = False
    ) -> None:
        """Lay out the frames; nothing is read.

        Args:
            scaling: from stored values to network units; None if they are the same.
            may_miss: whether values may be missing (NaN).
        """
        self.segments = list(segments)
        self.shape = self.segments[0].series.shape
        self.cache: FrameCache | None = None
        self._held: Tensor | None = None
        self._scaling, self._may_miss = scaling, may_miss
        # Series of one file follow each other, so that it is decompressed once.
        ids = [segment.series.id for segment in self.segments]
        self._order = sorted(range(len(ids)), key=lambda number: (ids[number], number))
        lengths = [len(self.segments[number].frames) for number in self._order]
        self._ends = np.cumsum(lengths)
        self._start_of = dict(zip(self._order, (self._ends - lengths).tolist(), strict=True))
        self.num_frames = int(self._ends[-1])
        frame_bytes = 4 * math.prod(self.shape)
        self.nbytes = self.num_frames * frame_bytes
        self.block_length = max(1, _BLOCK_BYTES // frame_bytes)

    @property
    def is_in_files(self) -> bool:
        """Whether every frame is read from the data set each time it is needed."""
        return self._held is None and self.cache is None

    @property
    def checksums(self) -> str:
        """The checksums of all frames in order, 8 digits each; fewer if some are not known."""
        return "".join(self.segments[number].fingerprint for number in self._order)

    def hold(self, frames: Tensor) -> None:
        """From now on, take the frames from memory: all of them in order, in network units."""
        self._held = frames

    def read(self, number: int, first: int, last: int) -> Tensor:
        """The frames first..last-1 of the segment `number`, (T, C, H, W), float32.

        Returns: a view, if they are held in memory.
        Raises: DataError if they are damaged, have changed since the split was made, or are not
            finite.
        """
        if self._held is not None:
            start = self._start_of[number]
            return self._held[start + first : start + last]
        return torch.from_numpy(self.to_unit(self._read_stored(number, first, last)))

    def to_unit(self, frames: Frames) -> Frames:
        """Scale stored values to network units."""
        return frames if self._scaling is None else self._scaling.to_unit(frames)

    def blocks(self) -> list[range]:
        """The frames of each block."""
        starts = range(0, self.num_frames, self.block_length)
        return [range(start, min(start + self.block_length, self.num_frames)) for start in starts]

    def read_block(self, block: range) -> Frames:
        """The frames of a block as they are stored, (T, C, H, W); see `read`."""
        frames = np.empty((len(block), *self.shape), np.float32)
        done = 0
        for number, first, last in self._within(block):
            # Frames may be larger in the files than here.
            at_once = max(1, _BLOCK_BYTES // self.segments[number].series.bytes_per_frame)
            for begin in range(first, last, at_once):
                piece = self._read_stored(number, begin, min(begin + at_once, last))
                frames[done : done + len(piece)] = piece
                done += len(piece)
        return frames

    def whole_arrays(self, block: range) -> dict[str, int]:
        """Arrays to decompress as a whole in order to read a block: name and size in bytes."""
        series = (self.segments[number].series for number, _, _ in self._within(block))
        return {name: size for one in series for name, size in one.whole_arrays.items()}

    def _within(self, block: range) -> Iterator[tuple[int, int, int]]:
        """The frames of a block in order: number of a segment, first and last + 1 within it."""
        at = block.start
        for number in self._order[int(np.searchsorted(self._ends, at, "right")) :]:
            if at >= block.stop:
                return
            start, length = self._start_of[number], len(self.segments[number].frames)
            last = min(block.stop - start, length)
            yield number, at - start, last
            at = start + last

    def _read_stored(self, number: int, first: int, last: int) -> Frames:
        """Read and check frames of a segment, from the cache if they are in it."""
        segment, start = self.segments[number], self._start_of[number]
        frames = None
        if self.cache is not None:
            frames = self.cache.read(start + first, start + last)
        if frames is None:
            frames = segment.read_stored(first, last)
            segment.check_unchanged(frames, first)
        check_finite(segment, frames, first, may_miss=self._may_miss)
        return frames
