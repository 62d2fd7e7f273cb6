"""Reading every frame once: checks, checksums, statistics and frames that two parts share.

Worker processes import this module, which therefore needs neither the config nor torch.

T: frames; C: channels; H, W: height and width; S: sampled values.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import count, pairwise, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvp.data.checksums import DIGITS, as_fingerprint, checksums_of
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
    """The frames first..last-1 of a segment."""

    segment: Segment
    first: int
    last: int

    @property
    def cost(self) -> int:
        """What reading it costs, in bytes."""
        return (self.last - self.first) * (_PER_FRAME + self.segment.series.bytes_per_frame)


@dataclass(frozen=True)
class _Batch:
    """Pieces of one part that are read at a time; `number` counts those of the training part."""

    pieces: list[_Piece]
    number: int | None


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
    batches = list(_batches(parts))
    found = []
    read = partial(_read, sample_stride(num_values), num_forecast, card)
    results = map_tasks(read, batches, _num_processes(batches), remedy=_INTERRUPTED)
    for batch, findings in zip(batches, results, strict=True):
        found.append(findings)
        advance(sum(piece.last - piece.first for piece in batch.pieces), "")
    everything = _joined(found)
    assert everything.training is not None and everything.sample is not None
    checked = _with_fingerprints(parts, everything.checksums)
    return Scan(
        parts=_cut(checked, everything.is_empty),
        statistics=to_statistics(everything.training, everything.sample),
        copies=find_copies(checked, everything.checksums, everything.is_constant),
    )


def _batches(parts: Parts) -> Iterator[_Batch]:
    """Group consecutive pieces of a part by cost, the same for any number of processes."""
    for part in parts:
        numbers = count() if part is parts[0] else repeat(None)
        pieces: list[_Piece] = []
        total = 0
        for segment in part:
            for first, last in segment.pieces():
                piece = _Piece(segment, first, last)
                if pieces and total + piece.cost > _BATCH:
                    yield _Batch(pieces, next(numbers))
                    pieces, total = [], 0
                pieces.append(piece)
                total += piece.cost
        if pieces:
            yield _Batch(pieces, next(numbers))


def _num_processes(batches: Sequence[_Batch]) -> int:
    """How many processes to share the work among."""
    pieces = [piece for batch in batches for piece in batch.pieces]
    if any(piece.segment.series.whole_arrays for piece in pieces):
        return 1  # each process would decompress all of it
    if any(piece.segment.series.is_remote for piece in pieces):
        return 1  # the network is slower, and one process makes several requests at a time
    costs = [piece.cost for piece in pieces]
    return max(1, min(cores(), sum(costs) // _PER_PROCESS, _MEMORY // max(costs)))


def _read(stride: int, num_forecast: int, card: Path | None, batch: _Batch) -> _Findings:
    """Read and check a batch; see `scan` and `sampled`. Raises DataError."""
    read = [piece.segment.read_stored(piece.first, piece.last) for piece in batch.pieces]
    frames = read[0] if len(read) == 1 else np.concatenate(read)
    low, high = np.fmin.reduce(frames, axis=(2, 3)), np.fmax.reduce(frames, axis=(2, 3))
    if np.isinf(low).any() or np.isinf(high).any():
        for piece, values in zip(batch.pieces, read, strict=True):
            check_finite(piece.segment, values, piece.first, may_miss=True)
    if card is not None and ((low < 0).any() or (high > 1).any()):
        raise _not_scaled(batch, read, card)
    is_empty = np.isnan(low[:, :num_forecast]).all(axis=1)
    training = sample = None
    if batch.number is not None:
        known = frames[~is_empty] if is_empty.any() else frames
        training = moments(known, np.fmin.reduce(low), np.fmax.reduce(high))
        sample = sampled(known, stride, np.random.default_rng([_SEED, batch.number]))
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


def _not_scaled(batch: _Batch, read: Sequence[Frames], card: Path) -> DataError:
    """The error for the first piece with values beyond [0, 1]."""
    ranges = [(float(np.nanmin(frames)), float(np.nanmax(frames))) for frames in read]
    number = next(i for i, (low, high) in enumerate(ranges) if low < 0 or high > 1)
    low, high = ranges[number]
    return DataError(
        f"{batch.pieces[number].segment.series.id}: has values from {low:g} to {high:g}, but low "
        f"and high at the top of {card} mean that all values are scaled to [0, 1]; add stored = "
        '"physical" to it if the files hold physical values, or stored = "scaled" if the values '
        "beyond [0, 1] are right"
    )


def _with_fingerprints(parts: Parts, checksums: NDArray[np.uint32]) -> Parts:
    """The segments with the checksums of their frames, which are in the same order."""
    fingerprints, position = as_fingerprint(checksums), 0
    checked: Parts = [[] for _ in parts]
    for part, target in zip(parts, checked, strict=True):
        for segment in part:
            end = position + DIGITS * len(segment.frames)
            target.append(replace(segment, fingerprint=fingerprints[position:end]))
            position = end
    return checked


def _cut(parts: Parts, is_empty: NDArray[np.bool_]) -> Parts:
    """Cut segments where frames are missing altogether, so that no window has to bridge them."""
    if not is_empty.any():
        return parts
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
