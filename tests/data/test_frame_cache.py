"""Copies of frames on disk."""

import os
from pathlib import Path

import numpy as np
import pytest

from simvp.data.checksums import fingerprint
from simvp.data.frame_cache import FrameCache, stamp_of
from simvp.data.series import Frames
from simvp.errors import DataError, OutputError

SHAPE = (2, 3, 5)


@pytest.fixture
def frames() -> Frames:
    return np.random.default_rng(0).random((11, *SHAPE), np.float32)


def cache_of(folder: Path, frames: Frames, stamp: str = "a") -> FrameCache:
    return FrameCache(folder, fingerprint(frames), shape=SHAPE, block_length=4, stamp=stamp)


def filled(folder: Path, frames: Frames) -> FrameCache:
    """A cache of 11 frames in blocks of 4."""
    cache = cache_of(folder, frames)
    for index in range(3):
        cache.write(index, frames[4 * index : 4 * index + 4])
    return cache


@pytest.mark.parametrize(("first", "last"), [(0, 11), (0, 1), (4, 8), (3, 5), (2, 9), (8, 11)])
def test_frames_are_read_across_blocks(
    tmp_path: Path, frames: Frames, first: int, last: int
) -> None:
    filled(tmp_path, frames)
    found = cache_of(tmp_path, frames).read(first, last)
    np.testing.assert_array_equal(found, frames[first:last])


def test_missing_blocks_are_counted(tmp_path: Path, frames: Frames) -> None:
    cache = cache_of(tmp_path / "none", frames)
    assert cache.missing_bytes() == frames.nbytes and cache.read(0, 2) is None
    tmp_path.mkdir(exist_ok=True)
    cache = cache_of(tmp_path, frames)
    cache.write(2, frames[8:])
    assert [cache.has(index) for index in range(3)] == [False, False, True]
    assert cache.missing_bytes() == frames[:8].nbytes
    assert cache.read(7, 9) is None
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [frames[8:].nbytes]


@pytest.mark.parametrize("damage", ["bit-flipped", "truncated", "longer", "empty"])
def test_damaged_block_is_not_used(tmp_path: Path, frames: Frames, damage: str) -> None:
    cache = filled(tmp_path, frames)
    path = cache._paths[1]
    content = bytearray(path.read_bytes())
    content[300] ^= 1  # of the third frame of four
    changed = {"truncated": content[:-9], "longer": content + b"a", "empty": b""}
    path.write_bytes(changed.get(damage, content))
    assert cache.has(1) == (damage == "bit-flipped")
    assert cache.read(5, 8) is None
    assert not cache.has(1)
    np.testing.assert_array_equal(cache.read(0, 4), frames[:4])


def test_other_frames_have_other_files(tmp_path: Path, frames: Frames) -> None:
    filled(tmp_path, frames)
    changed = frames.copy()
    changed[6, 0, 0, 0] += 1
    assert [cache_of(tmp_path, changed).has(index) for index in range(3)] == [True, False, True]
    assert not cache_of(tmp_path, frames, stamp="b").has(0)
    assert cache_of(tmp_path, frames).has(0)


def test_cache_that_cannot_be_written_is_named(tmp_path: Path, frames: Frames) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"\.frames: cannot be written"):
        cache_of(tmp_path / "file", frames).write(0, frames[:4])


def test_stamp_changes_with_the_files_of_a_data_set(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "a").mkdir(parents=True)
    (data / "a" / "0.npy").write_text("0")
    stamps = [stamp_of(data)]
    for name in ("dataset.toml", "0123_loaders.json"):
        (data / name).touch()
    assert stamp_of(data) == stamps[0]
    (data / "a" / "1.npy").write_text("1")
    stamps.append(stamp_of(data))
    os.utime(data / "a" / "1.npy", ns=(1, 1))
    stamps.append(stamp_of(data))
    (data / "a" / "1.npy").write_text("10")
    os.utime(data / "a" / "1.npy", ns=(1, 1))
    stamps += [stamp_of(data), stamp_of(data / "a" / "1.npy"), stamp_of(data / "a" / "*.npy")]
    assert len(set(stamps)) == 6
    (data / "a" / "2.npy").symlink_to("nothing")
    with pytest.raises(DataError, match=r"2\.npy: cannot be read"):
        stamp_of(data)
