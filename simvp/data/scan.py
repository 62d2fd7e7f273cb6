"""Reading every frame once: checks, checksums, statistics and frames that two parts share.

Worker processes import this module, which therefore needs neither the config nor torch.

T: frames; C: channels; H, W: height and width; S: sampled values.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import count, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvp.data.checksums import as_fingerprint, checksums_of
from simvp.data.copies import Copies, find_copies
from simvp.data.parts import Parts
from simvp.data.scaling import Statistics
from simvp.data.segments import Segment, check_finite
from simvp.data.series import Frames
from simvp.data.statistics import Moments, moments, sample_stride, sampled, to_statistics
from simvp.errors import DataError
from simvp.progress import Advance
from simvp.runtime.processes import cores, map_tasks

# Costs are in bytes that are read and checked in that time, about 400 MB in a second.
_PER_FRAME = 2**14  # finding and opening a frame
_BATCH = 2**25  # what a process reads at a time
_PER_PROCESS = 2**29  # below this, starting another process takes longer than it saves
_MEMORY = 2**29  # of frames that all processes hold at a time
_SEED = 0  # of the sample that quantiles are estimated from
_INTERRUPTED = "nothing was written, so run the same command again"


@dataclass(frozen=True)
class Scan:
    """What was found in the frames of a split.

    Attributes:
        parts: the segments with fingerprints, cut where frames have no values at all.
        statistics: of the values in the training part, as they are stored.
        copies: frames that two parts share.
    """

    parts: Parts
    statistics: Statistics
    copies: Copies


@dataclass(frozen=True)
class _Piece:
    """The frames first..last-1 of a segment; `number` counts the pieces of the training part."""

    segment: Segment
    first: int
    last: int
    number: int | None

    @property
    def cost(self) -> int:
        """What reading it costs, in bytes."""
        return (self.last - self.first) * (_PER_FRAME + self.segment.series.bytes_per_frame)


@dataclass(frozen=True)
class _Findings:
    """What was found in some frames.

    Attributes:
        checksums: CRC-32 of each frame, (T,).
        is_empty: whether all values of a frame are missing, (T,).
        is_constant: whether no channel of a frame has two different values, (T,).
        training: moments of the training frames; None if there are none.
        sample: a random sample of their values, (C, S).
    """

    checksums: NDArray[np.uint32]
    is_empty: NDArray[np.bool_]
    is_constant: NDArray[np.bool_]
    training: Moments | None
    sample: Frames | None


def scan(parts: Parts, num_forecast: int, card: Path | None, advance: Advance) -> Scan:
    """Read every frame of a split once, in several processes if that saves time.

    The result does not depend on the number of processes.

    Args:
        parts: training, validation and test segments.
        num_forecast: number of channels that are forecast, the first ones; a frame without a value
            of these is empty.
        card: the data card, if it says that all stored values are within [0, 1].
        advance: called with the number of frames that have been read.
    Raises: DataError if a frame is missing or damaged, has infinite values or contradicts the
        card; RunFailed and Interrupted as `map_tasks`.
    """
    num_values = sum(len(s.frames) * math.prod(s.series.shape[1:]) for s in parts[0])
    pieces = list(_pieces(parts))
    processes = _num_processes(pieces)
    batches = list(_batches(pieces))
    found = []
    read = partial(_read_batch, sample_stride(num_values), num_forecast, card)
    results = map_tasks(read, batches, processes, remedy=_INTERRUPTED)
    for batch, findings in zip(batches, results, strict=True):
        found.append(findings)
        advance(sum(piece.last - piece.first for piece in batch), "")
    everything = _joined(found)
    assert everything.training is not None and everything.sample is not None
    checked = _with_fingerprints(parts, everything.checksums)
    return Scan(
        parts=_cut(checked, everything.is_empty),
        statistics=to_statistics(everything.training, everything.sample),
        copies=find_copies(checked, everything.checksums, everything.is_constant),
    )


def _pieces(parts: Parts) -> Iterator[_Piece]:
    """The pieces of all segments, in order."""
    numbers = count()
    for part in parts:
        for segment in part:
            for first, last in segment.pieces():
                yield _Piece(segment, first, last, next(numbers) if part is parts[0] else None)


def _batches(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Group consecutive pieces by cost, the same for any number of processes."""
    batch: list[_Piece] = []
    cost = 0
    for piece in pieces:
        if batch and cost + piece.cost > _BATCH:
            yield batch
            batch, cost = [], 0
        batch.append(piece)
        cost += piece.cost
    yield batch


def _num_processes(pieces: Sequence[_Piece]) -> int:
    """How many processes to share the work among."""
    if any(piece.segment.series.whole_arrays for piece in pieces):
        return 1  # each process would decompress all of it
    by_work = sum(piece.cost for piece in pieces) // _PER_PROCESS
    by_memory = _MEMORY // max(piece.cost for piece in pieces)
    return max(1, min(cores(), by_work, by_memory))


def _read_batch(
    stride: int, num_forecast: int, card: Path | None, batch: Sequence[_Piece]
) -> _Findings:
    """Read pieces; see `scan` and `sampled`. Raises DataError."""
    return _joined([_read(stride, num_forecast, card, piece) for piece in batch])


def _read(stride: int, num_forecast: int, card: Path | None, piece: _Piece) -> _Findings:
    frames = piece.segment.read_stored(piece.first, piece.last)
    low, high = np.fmin.reduce(frames, axis=(2, 3)), np.fmax.reduce(frames, axis=(2, 3))
    if np.isinf(low).any() or np.isinf(high).any():
        check_finite(piece.segment, frames, piece.first, may_miss=True)
    if card is not None and ((low < 0).any() or (high > 1).any()):
        raise _not_scaled(piece.segment, card, float(np.nanmin(low)), float(np.nanmax(high)))
    is_empty = np.isnan(low[:, :num_forecast]).all(axis=1)
    training = sample = None
    if piece.number is not None:
        known = frames[~is_empty] if is_empty.any() else frames
        training = moments(known, np.fmin.reduce(low), np.fmax.reduce(high))
        sample = sampled(known, stride, np.random.default_rng([_SEED, piece.number]))
    return _Findings(
        checksums=checksums_of(frames),
        is_empty=is_empty,
        is_constant=((low == high) | np.isnan(low)).all(axis=1),
        training=training,
        sample=sample,
    )


def _joined(found: Sequence[_Findings]) -> _Findings:
    """What was found in the frames of all, in order."""
    training = [findings.training for findings in found if findings.training is not None]
    samples = [findings.sample for findings in found if findings.sample is not None]
    return _Findings(
        checksums=np.concatenate([findings.checksums for findings in found]),
        is_empty=np.concatenate([findings.is_empty for findings in found]),
        is_constant=np.concatenate([findings.is_constant for findings in found]),
        training=reduce(Moments.merged, training) if training else None,
        sample=np.concatenate(samples, axis=1) if samples else None,
    )


def _not_scaled(segment: Segment, card: Path, low: float, high: float) -> DataError:
    return DataError(
        f"{segment.series.id}: has values from {low:g} to {high:g}, but low and high at the top of "
        f"{card} mean that all values are scaled to [0, 1]; add stored = "
        '"physical" to it if the files hold physical values, or stored = "scaled" if the values '
        "beyond [0, 1] are right"
    )


def _with_fingerprints(parts: Parts, checksums: NDArray[np.uint32]) -> Parts:
    """The segments with the checksums of their frames, which are in the same order."""
    position = 0
    checked: Parts = [[] for _ in parts]
    for part, target in zip(parts, checked, strict=True):
        for segment in part:
            of_segment = checksums[position : position + len(segment.frames)]
            target.append(replace(segment, fingerprint=as_fingerprint(of_segment)))
            position += len(segment.frames)
    return checked


def _cut(parts: Parts, is_empty: NDArray[np.bool_]) -> Parts:
    """Cut segments where frames are missing altogether, so that no window has to bridge them."""
    position = 0
    result: Parts = [[] for _ in parts]
    for part, target in zip(parts, result, strict=True):
        for segment in part:
            length = len(segment.frames)
            empty = np.flatnonzero(is_empty[position : position + length]).tolist()
            bounds = pairwise([-1, *empty, length])
            target += [
                segment.cut(before + 1, after) for before, after in bounds if after > before + 1
            ]
            position += length
    return result
