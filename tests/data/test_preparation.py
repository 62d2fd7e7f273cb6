"""Frames in memory, in a cache on disk, or read as they are needed."""

import json
import os
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, Simvp, assert_same, only_split, run_state

from simvp.data import memory_cache, preparation, read_split
from simvp.data.batches import Waiting, WindowDataset
from simvp.data.frame_store import FrameStore
from simvp.data.npz import NpzArray
from simvp.data.preparation import MEMORY_SHARE, advise_cache, prepare
from simvp.data.sources.frames import FrameSeries
from simvp.errors import DataError, OutputError
from simvp.progress import Report
from simvp.runtime.group import Group
from simvp.runtime.machine import Machine

ALONE = Group(0, 1, torch.device("cpu"))
FRAME_BYTES = 4 * 9 * 11
ALL = 72 * FRAME_BYTES  # 7 training and 2 validation samples of 8 frames


class Lines(Report):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the free memory, in bytes."""

    def set_free(nbytes: float) -> None:
        monkeypatch.setattr(preparation, "free_memory", lambda: nbytes)

    return set_free


def stores_of(data: Path) -> list[FrameStore]:
    split = read_split(only_split(data))
    return [
        WindowDataset(split.segments(part), window=7, stride=7, scaling=None).store
        for part in ("train", "validation")
    ]


def prepared(data: Path, cache: Path | str = "") -> tuple[list[FrameStore], list[str]]:
    """The stores of a data set, and what was said."""
    stores, report = stores_of(data), Lines()
    prepare(stores, read_split(only_split(data)), str(cache), ALONE, report)
    return stores, report.lines


def assert_same_frames(found: list[FrameStore], expected: list[FrameStore]) -> None:
    for one, other in zip(found, expected, strict=True):
        for number in range(len(one.segments)):
            assert torch.equal(one.read(number, 2, 8), other.read(number, 2, 8))


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the series whose frames are read from files from now on."""
    reads: list[str] = []
    original = FrameSeries.read_stored

    def counting(self: FrameSeries, *arguments: int) -> Any:
        reads.append(self.id)
        return original(self, *arguments)

    monkeypatch.setattr(FrameSeries, "read_stored", counting)
    return reads


def test_all_parts_together_have_to_fit_in_memory(
    split_data: Path, free: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(ALL / MEMORY_SHARE - 1)
    stores, lines = prepared(split_data)
    assert all(store.is_in_files for store in stores)
    assert lines == [
        "1 MB of frames are read as they are needed: they do not fit in 25 % of the free memory"
    ]
    free(ALL / MEMORY_SHARE)
    reads = count_reads(monkeypatch)
    held, lines = prepared(split_data)
    assert lines == [] and len(reads) == 9
    del reads[:]
    assert_same_frames(held, stores)
    assert len(reads) == 9  # by the other one


def test_results_do_not_depend_on_where_frames_are(
    trained_once: Path, split_data: Path, simvp: Simvp, free: Callable[[float], None]
) -> None:
    """The run of the fixture had its frames in memory."""
    expected = run_state(trained_once / "straight" / "work_dirs" / "default")
    for place, memory in (("files", 0), ("cache", 0), ("both", 10**9)):
        free(memory)
        options = [] if place == "files" else ["--set", "data.cache=cache"]
        simvp("train", "--data-path", "data", "--epochs", "4", *TINY, "--name", place, *options)
        assert_same(expected, run_state(Path("work_dirs") / place))
    assert sum(path.stat().st_size for path in Path("cache").iterdir()) == ALL


@pytest.mark.parametrize("memory", [0, 10**9])
def test_second_run_reads_the_cache_instead_of_the_files(
    split_data: Path,
    tmp_path: Path,
    free: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
) -> None:
    free(memory)
    expected = stores_of(split_data)
    _, lines = prepared(split_data, tmp_path / "cache")
    assert lines[0].startswith(f"writing 1 MB of decoded frames to {tmp_path / 'cache'}, where ")
    reads = count_reads(monkeypatch)
    stores, lines = prepared(split_data, tmp_path / "cache")
    assert not any(line.startswith("writing") for line in lines)
    for store in stores:
        store.read(1, 2, 8)
    assert reads == []
    assert_same_frames(stores, expected)


def test_data_changed_after_they_were_cached_are_refused(
    split_data: Path, tmp_path: Path, simvp: Simvp
) -> None:
    prepared(split_data, "cache")
    split = only_split(split_data)
    series = read_split(split).segments("train")[3].series.id
    np.save(split_data / series / "7.npy", np.full((1, 9, 11), 0.25, np.float32))
    with pytest.raises(DataError, match=f"{series}: its frames have changed since the split"):
        prepared(split_data, "cache")
    split.unlink()
    ratios = ("--train-ratio", "0.65", "--val-ratio", "0.2")
    simvp("split", "--data-path", "data", *ratios)
    stores, lines = prepared(split_data, "cache")
    assert any(line.startswith("writing") for line in lines)
    assert stores[0].read(3, 7, 8).max() == stores[0].read(3, 7, 8).min() == 0.25


def test_damaged_cache_is_repaired(
    split_data: Path, tmp_path: Path, free: Callable[[float], None]
) -> None:
    free(0)
    prepared(split_data, "cache")
    blocks = sorted(Path("cache").iterdir(), key=lambda path: path.stat().st_size)
    content = blocks[-1].read_bytes()
    blocks[-1].write_bytes(content[:-1] + b"x")
    stores, lines = prepared(split_data, "cache")
    assert_same_frames(stores, stores_of(split_data))
    assert len(lines) == 1  # the size is right
    stores, lines = prepared(split_data, "cache")
    assert len(lines) == 2 and blocks[-1].read_bytes() == content


def test_cache_is_refused_if_the_disk_is_too_full(
    split_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(ALL))
    prepared(split_data, "enough")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(ALL - 1))
    with pytest.raises(OutputError, match="'less': 1 MB of decoded frames are to be written, but"):
        prepared(split_data, "less")
    assert list(Path("less").iterdir()) == []
    prepared(split_data, "enough")  # where nothing is left to be written


def test_cache_that_cannot_be_used_is_refused_before_a_run_is_replaced(
    trained: Path, simvp: Simvp
) -> None:
    Path("file").touch()
    before = run_state(trained)
    again = ("train", "--overwrite", "--data-path", "data", "--epochs", "1", *TINY)
    for folder, message in (
        ("file", "file: cannot be written (File exists)"),
        ("data", "data.cache = 'data': is within the data set data, which would change by it"),
        ("data/../data/a", "is within the data set data"),
    ):
        result = simvp(*again, "--set", f"data.cache={folder}", code=2)
        assert result.stderr.count("error: ") == 1 and message in result.stderr
    split = only_split(Path("data"))
    record = json.loads(split.read_text())
    for segment in record["train"]["segments"]:
        segment.pop("fingerprint")
    split.write_text(json.dumps(record))
    result = simvp(*again, "--set", "data.cache=cache", code=2)
    assert "has no checksums to find and verify cached frames by" in result.stderr
    assert_same(before, run_state(trained))


def test_blocks_that_killed_processes_left_are_removed(split_data: Path, simvp: Simvp) -> None:
    cache = Path("cache")
    cache.mkdir()
    for name, age in (("old", 3600), ("new", 0)):
        (cache / f".simvp-1-{name}").touch()
        os.utime(cache / f".simvp-1-{name}", (time.time() - age,) * 2)
    prepared(split_data, cache)
    assert [path.name for path in cache.glob(".simvp-*")] == [".simvp-1-new"]


@pytest.fixture
def archive(tmp_path: Path, simvp: Simvp) -> Path:
    """A split data set: a compressed .npz file of 9 series."""
    values = np.random.default_rng(0).random((9, 8, 9, 11), np.float32)
    path = tmp_path / "data" / "a.npz"
    path.parent.mkdir()
    np.savez_compressed(path, u=values)
    simvp("split", str(path), "--axes", "ntyx")
    return path


def test_compressed_file_is_loaded_once_and_dropped(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_cache.drop_arrays()
    loads: list[int] = []
    load = NpzArray._load
    monkeypatch.setattr(NpzArray, "_load", lambda self: loads.append(1) or load(self))
    stores, lines = prepared(archive.parent)
    assert lines == [] and len(loads) == 1 and not memory_cache._arrays
    stores[0].read(1, 2, 8)
    assert len(loads) == 1


def test_blocks_of_a_compressed_file_are_read_by_one_process(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simvp.data.frame_store._BLOCK_BYTES", 8 * FRAME_BYTES)
    stores = stores_of(archive.parent)
    for machine in (Machine((0, 1), index) for index in range(2)):
        work = preparation._read(stores, [None, None], machine, 10**9)
        assert sum(work) == (0 if machine.index else sum(store.num_frames for store in stores))


def test_readers_of_blocks() -> None:
    """Blocks 4 to 9 of a data set of plain and of compressed files, for four processes."""
    a, b, c = {"a": 10}, {"b": 10}, {"c": 50}
    blocks = [{}, a, {**a, **b}, b, c, {}]
    seen: dict[str, int] = {}
    found = [preparation._reader(4 + i, arrays, seen, 40) for i, arrays in enumerate(blocks)]
    assert found == [4, 0, 0, 1, 0, 9]


@pytest.mark.parametrize(
    ("waited", "total", "is_told"), [(3, 20, True), (3, 40, False), (0.9, 1, False), (0, 0, False)]
)
def test_cache_is_advised_if_training_waits_for_files(
    split_data: Path, free: Callable[[float], None], waited: float, total: float, is_told: bool
) -> None:
    free(0)
    stores, report = stores_of(split_data), Lines()
    assert advise_cache(Waiting(waited, total), stores, ALONE, report) is is_told
    expected = (
        "training waited for data for 15 % of the epoch; --set data.cache=FOLDER saves 1 MB of "
        "decoded frames in a folder, once, and reads them from there"
    )
    assert report.lines == ([expected] if is_told else [])
    cached, _ = prepared(split_data, "cache")
    assert not advise_cache(Waiting(waited, total), cached, ALONE, report)
    assert len(report.lines) == is_told
