"""Segments: in which pieces they are read."""

import numpy as np
import pytest
from helpers import MemorySeries

from simvp.data import Segment, segments

FRAMES = np.zeros((40, 2, 5, 7), np.float32)
FRAME = FRAMES[0].nbytes


def pieces(
    monkeypatch: pytest.MonkeyPatch,
    *,
    usual: int,
    largest: int,
    chunk: int = 1,
    frames: range = range(40),
) -> list[list[int]]:
    """The frames of each piece, if `usual` and `largest` numbers of them fit in memory."""
    monkeypatch.setattr(segments, "_PIECE", usual * FRAME)
    monkeypatch.setattr(segments, "_LARGEST_PIECE", largest * FRAME)
    item = MemorySeries.of("a", FRAMES, frames_per_chunk=chunk)
    segment = Segment(item, frames.start, frames.stop, frames.step)
    found = [list(segment.frames[first:last]) for first, last in segment.pieces()]
    assert sum(found, []) == list(frames)
    return found


def test_pieces_hold_as_many_frames_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pieces(monkeypatch, usual=15, largest=99)
    assert [len(piece) for piece in found] == [15, 15, 10]


@pytest.mark.parametrize("chunk", [1, 6])
def test_a_frame_larger_than_a_piece_is_read_alone(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    found = pieces(monkeypatch, usual=0, largest=0, chunk=chunk)
    assert [len(piece) for piece in found] == [1] * 40


def test_pieces_end_where_chunks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pieces(monkeypatch, usual=15, largest=99, chunk=6, frames=range(10, 40))
    assert [(piece[0], piece[-1]) for piece in found] == [(10, 11), (12, 23), (24, 35), (36, 39)]


def test_a_chunk_larger_than_a_piece_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pieces(monkeypatch, usual=4, largest=16, chunk=12)
    assert [(piece[0], piece[-1]) for piece in found] == [(0, 11), (12, 23), (24, 35), (36, 39)]


def test_a_chunk_that_does_not_fit_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pieces(monkeypatch, usual=4, largest=16, chunk=36)
    assert [len(piece) for piece in found] == [16, 16, 8]


@pytest.mark.parametrize("frames", [range(1, 40, 3), range(39, 0, -3)])
def test_steps_read_as_many_frames(monkeypatch: pytest.MonkeyPatch, frames: range) -> None:
    found = pieces(monkeypatch, usual=5, largest=10, chunk=6, frames=frames)
    chunks = [{number // 6 for number in piece} for piece in found]
    assert max(map(len, found)) <= 5
    assert not any(a & b for i, a in enumerate(chunks) for b in chunks[:i])
