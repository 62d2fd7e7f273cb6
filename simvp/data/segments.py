"""Segments: the frames of a series that a split assigns to one of its parts.

T: frames; C: channels; H, W: height and width.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simvp.data.checksums import DIGITS, fingerprint
from simvp.data.series import Frames, Series
from simvp.errors import DataError

# Bytes of frames to read at a time, as float32: usually, and where a chunk of the file needs more.
_PIECE, _LARGEST_PIECE = 2**25, 2**28


@dataclass(frozen=True)
class Segment:
    """The frames `range(start, stop, step)` of a series; a negative step reverses time.

    Attributes:
        fingerprint: checksum of the stored values of each frame when the split was made, 8
            characters each; empty if not known.
    """

    series: Series
    start: int
    stop: int
    step: int = 1
    fingerprint: str = ""

    @property
    def frames(self) -> range:
        """Indices of the frames within the series."""
        return range(self.start, self.stop, self.step)

    def cut(self, first: int, last: int) -> "Segment":
        """The segment of the frames first..last-1 of this one."""
        chosen = self.frames[first:last]
        fingerprint = self.fingerprint[DIGITS * first : DIGITS * last]
        return Segment(self.series, chosen.start, chosen.stop, chosen.step, fingerprint)

    def read_stored(self, first: int, last: int) -> Frames:
        """Read the frames first..last-1 of this segment as they are stored, (T, C, H, W)."""
        chosen = self.frames[first:last]
        if chosen.step > 0:
            return self.series.read_stored(chosen.start, chosen.stop, chosen.step)
        forward = chosen[::-1]
        frames = self.series.read_stored(forward.start, forward.stop, forward.step)
        return np.ascontiguousarray(frames[::-1])

    def pieces(self) -> list[tuple[int, int]]:
        """Positions (first, last + 1) of the frames to read at a time, in order.

        Pieces fit in memory. They end where chunks of the file end, if a chunk fits in memory, so
        that no chunk is decompressed twice.
        """
        usual, largest = (
            max(1, size // self.series.bytes_per_frame) for size in (_PIECE, _LARGEST_PIECE)
        )
        chunk = self.series.frames_per_chunk
        span = usual * abs(self.step)  # frames of the series from the start of a piece to the next
        span = span // chunk * chunk or min(chunk, largest * abs(self.step))
        if max(self.start + 1, self.stop) <= span:
            return [(0, len(self.frames))]
        cuts = np.flatnonzero(np.diff(np.asarray(self.frames) // span)) + 1
        return list(pairwise([0, *cuts.tolist(), len(self.frames)]))

    @property
    def checksums(self) -> list[str]:
        """The checksum of each frame; empty if they are not known."""
        return [self.fingerprint[i : i + DIGITS] for i in range(0, len(self.fingerprint), DIGITS)]

    def check_length(self) -> None:
        """Raises DataError if the series has lost frames of the segment."""
        if self.frames and max(self.frames) >= self.series.length:
            raise DataError(
                f"sample {self.series.id}: has {self.series.length} frames, but the split file "
                f"lists {max(self.frames) + 1}; restore the missing frames, or make another split "
                "with `simvp split`"
            )

    def check_unchanged(self, frames: Frames, first: int) -> None:
        """Compare frames, which begin at position `first`, with their checksums.

        Raises: DataError if they have changed since the split was made.
        """
        expected = self.fingerprint[DIGITS * first : DIGITS * (first + len(frames))]
        if expected and fingerprint(frames) != expected:
            raise changed(self.series.id)


def changed(series_id: str) -> DataError:
    """The error for a series that differs from what the split was made from."""
    return DataError(
        f"sample {series_id}: its frames have changed since the split was made; restore them, or "
        "make another split with `simvp split`"
    )


def check_finite(segment: Segment, frames: Frames, first: int, *, may_miss: bool = False) -> None:
    """Raises DataError if values are infinite, or NaN, in frames (T, C, H, W) of a segment.

    Args:
        first: position of the first one within the segment.
        may_miss: whether NaN is allowed, as a missing value.
    """
    finite = ~np.isinf(frames) if may_miss else np.isfinite(frames)
    if not finite.all():
        position, *where = (int(i) for i in np.argwhere(~finite)[0])
        name = segment.series.locate(segment.frames[first + position])
        bad = finite[position].size - int(finite[position].sum())
        problem = "are not finite, the first (nan)"
        if np.isinf(frames[position][tuple(where)]):  # float64 values may have become infinite
            problem = "are not finite or exceed the range of float32 (3.4e38), the first"
        raise DataError(
            f"{name}: {bad} of {finite[position].size} values {problem} at index {tuple(where)}; "
            "fix or remove the sample"
        )
