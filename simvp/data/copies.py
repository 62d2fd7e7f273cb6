"""Frames that are in two parts of a split, because a sample or a frame was copied."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvp.data.parts import Parts
from simvp.data.segments import Segment

_PARTS = ("training", "validation", "test")
_FRAMES_COMPARED = 3  # of two segments; further equal checksums are then no coincidence
_PAIRS_COMPARED = 100  # pairs of segments, so that many copies do not take long
_PAIRS_SHOWN = 5


@dataclass(frozen=True)
class SharedFrames:
    """Frames that two segments of different parts share.

    Attributes:
        parts: names of the parts.
        series: ids of the series.
        frames: numbers of the first shared frames in each series; their values are equal.
        num_more: number of further frames with equal checksums.
    """

    parts: tuple[str, str]
    series: tuple[str, str]
    frames: tuple[tuple[int, ...], tuple[int, ...]]
    num_more: int

    def __str__(self) -> str:
        first, second = (
            f"{', '.join(map(str, numbers))} of {series} ({part})"
            for numbers, series, part in zip(self.frames, self.series, self.parts, strict=True)
        )
        more = f"; {self.num_more} more of their frames are equal" if self.num_more else ""
        if len(self.frames[0]) == 1:
            return f"frame {first} equals frame {second}{more}"
        return f"frames {first} equal frames {second}{more}"


@dataclass(frozen=True)
class Copies:
    """All frames that two parts share, other than frames whose channels are constant.

    Attributes:
        found: one entry for each pair of segments, those that share most frames first.
        num_unknown: number of pairs with equal checksums whose values were not compared.
    """

    found: list[SharedFrames]
    num_unknown: int

    def warnings(self) -> list[str]:
        """Lines for the user; none if no frame is shared."""
        if not self.found:
            return []
        lines = [f"warning: {shared}" for shared in self.found[:_PAIRS_SHOWN]]
        num_hidden = len(self.found[_PAIRS_SHOWN:]) + self.num_unknown
        if num_hidden:
            limit = "up to " if self.num_unknown else ""
            lines.append(f"warning: {limit}{num_hidden} more pairs of samples share frames")
        return [*lines, "frames that are in two parts make scores too good; remove the copies"]


def find_copies(
    parts: Parts, checksums: NDArray[np.uint32], is_constant: NDArray[np.bool_]
) -> Copies:
    """Find the frames of validation and test that are in an earlier part as well.

    Checksums find the candidates. Of each pair of segments, the first few are read and compared,
    since checksums of different frames may be equal.

    Args:
        parts: training, validation and test segments.
        checksums, is_constant: of each of their frames, in order.
    Raises: DataError if a frame cannot be read.
    """
    segments = [(name, s) for name, part in zip(_PARTS, parts, strict=True) for s in part]
    candidates = _candidates(parts, checksums, is_constant)
    by_number = sorted(candidates.items(), key=lambda item: -len(item[1]))
    found = []
    for (first, second), positions in by_number[:_PAIRS_COMPARED]:
        shared = _compared(segments[first], segments[second], positions)
        found += [shared] if shared else []
    return Copies(found, num_unknown=len(by_number[_PAIRS_COMPARED:]))


def _candidates(
    parts: Parts, checksums: NDArray[np.uint32], is_constant: NDArray[np.bool_]
) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Frames with equal checksums in two parts.

    Only the first frame with a checksum is paired with those in later parts, so that the number of
    pairs is at most the number of frames.

    Returns: positions within each segment, by the numbers of both segments.
    """
    lengths = [len(segment.frames) for part in parts for segment in part]
    segment_of = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(len(checksums)) - (np.cumsum(lengths) - lengths)[segment_of]
    part_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])[segment_of]
    _, first_of, group = np.unique(checksums, return_index=True, return_inverse=True)
    original = first_of[group]
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for frame in np.flatnonzero((part_of > part_of[original]) & ~is_constant).tolist():
        both = [int(original[frame]), frame]
        first, second = (int(segment_of[i]) for i in both)
        pairs[first, second].append((int(position[both[0]]), int(position[frame])))
    return pairs


def _compared(
    first: tuple[str, Segment], second: tuple[str, Segment], positions: list[tuple[int, int]]
) -> SharedFrames | None:
    """Compare the first frames at pairs of positions; None if all of them differ."""
    (part, segment), (other_part, other) = first, second
    equal = [
        (segment.frames[i], other.frames[j])
        for i, j in positions[:_FRAMES_COMPARED]
        if np.array_equal(
            segment.read_stored(i, i + 1), other.read_stored(j, j + 1), equal_nan=True
        )
    ]
    if not equal:
        return None
    numbers, other_numbers = zip(*equal, strict=True)
    return SharedFrames(
        parts=(part, other_part),
        series=(segment.series.id, other.series.id),
        frames=(numbers, other_numbers),
        num_more=len(positions[_FRAMES_COMPARED:]),
    )
