"""Frames of several segments in one order."""

import dataclasses

import numpy as np
import pytest
import torch

from simvp.data import frame_store
from simvp.data.frame_store import FrameStore
from simvp.data.scaling import Scaling
from simvp.data.segments import Segment
from simvp.data.series import Frames, Series

SHAPE = (2, 3, 5)  # 120 bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbered(Series):
    """A series whose frame t has the value 100 * number + t everywhere."""

    number: int
    whole: bool = False

    @property
    def length(self) -> int:
        return 200

    @property
    def whole_arrays(self) -> dict[str, int]:
        return {self.id: 7} if self.whole else {}

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        assert start < stop and len(range(start, stop, step)) <= 64
        values = 100 * self.number + np.arange(start, stop, step, dtype=np.float32)
        return np.broadcast_to(values[:, None, None, None], (len(values), *SHAPE)).copy()


def segment(
    name: str, number: int, start: int, stop: int, step: int = 1, whole: bool = False
) -> Segment:
    series = Numbered(id=name, channels=("u", "v"), shape=SHAPE, number=number, whole=whole)
    return Segment(series, start, stop, step)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FrameStore:
    """In order: c, backwards 9 to 7, then d twice, 5 to 8 and 0 to 69; blocks of 4 frames."""
    monkeypatch.setattr(frame_store, "_BLOCK_BYTES", 4 * 120 + 119)
    segments = [
        segment("d", 4, 5, 9, whole=True),
        segment("c", 3, 9, 6, -1),
        segment("d", 4, 0, 70),
    ]
    return FrameStore(segments, scaling=Scaling((0.0, 0.0), (10.0, 20.0)))


FIRST = [309, 308, 307, 405, 406, 407, 408, 400, 401, 402]


def test_blocks_cover_all_frames_in_the_order_of_the_ids(store: FrameStore) -> None:
    assert (store.num_frames, store.nbytes, store.block_length) == (77, 77 * 120, 4)
    assert store.blocks()[:2] == [range(0, 4), range(4, 8)]
    assert store.blocks()[-1] == range(76, 77)
    blocks = [store.read_block(block) for block in store.blocks()]
    assert [len(block) for block in blocks] == 19 * [4] + [1]
    assert blocks[0].shape == (4, *SHAPE)
    np.testing.assert_array_equal(np.concatenate(blocks)[:10, 0, 0, 0], FIRST)
    assert np.concatenate(blocks)[-1, 1, 2, 4] == 469


def test_long_segments_are_read_in_pieces(store: FrameStore) -> None:
    """`Numbered` refuses to read more than 64 frames at a time."""
    assert store.read_block(range(0, 77))[-1, 0, 0, 0] == 469


def test_frames_held_in_memory_are_those_of_the_files(store: FrameStore) -> None:
    assert store.is_in_files
    places = [(0, 1, 3), (1, 0, 3), (2, 60, 70)]
    read = [store.read(*place) for place in places]
    assert read[0].shape == (2, *SHAPE)
    assert read[0][1, :, 0, 0].tolist() == pytest.approx([40.7, 20.35])
    blocks = [store.to_unit(store.read_block(block)) for block in store.blocks()]
    store.hold(torch.from_numpy(np.concatenate(blocks)))
    assert not store.is_in_files
    for place, expected in zip(places, read, strict=True):
        assert torch.equal(store.read(*place), expected)


def test_arrays_to_decompress_are_those_of_the_series_in_a_block(store: FrameStore) -> None:
    found = [store.whole_arrays(block) for block in store.blocks()[:3]]
    assert found == [{"d": 7}, {"d": 7}, {}]
