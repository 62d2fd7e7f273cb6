"""Order of the batches, and windows read from files."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Simvp, write_sample

from simvp.data import Segment, Split, open_source, read_split
from simvp.data.batches import (
    Batch,
    Waiting,
    WindowDataset,
    _wait,
    batches,
    scoring_batches,
    training_batches,
)
from simvp.data.scaling import Scaling
from simvp.errors import DataError


@pytest.mark.parametrize(("num_windows", "world_size"), [(7, 1), (7, 2), (8, 2), (2, 3), (10, 4)])
def test_epoch_visits_every_window_with_equally_many_steps_per_rank(
    num_windows: int, world_size: int
) -> None:
    ranks = [
        training_batches(num_windows, 2, seed=3, epoch=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    visited = [index for batches in ranks for batch in batches for index in batch]
    assert set(visited) == set(range(num_windows))
    assert len(visited) - num_windows == -num_windows % world_size


def test_order_depends_only_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return training_batches(20, 4, seed=seed, epoch=epoch, rank=0, world_size=1)

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("visits", [1, 4, 7, 10])
def test_epochs_of_some_windows_visit_all_before_any_twice(visits: int) -> None:
    def epoch(number: int, rank: int = 0, world_size: int = 1) -> list[int]:
        ranks = {"rank": rank, "world_size": world_size}
        drawn = training_batches(10, 3, seed=3, epoch=number, visits=visits, **ranks)
        return [index for batch in drawn for index in batch]

    visited = [index for number in range(30) for index in epoch(number)]
    assert len(visited) == 30 * visits
    for first in range(0, len(visited) - 9, 10):
        assert sorted(visited[first : first + 10]) == list(range(10))
    assert visited[:10] != visited[10:20]
    # Two processes share the windows of one, of which the first one may be drawn twice.
    shared = sorted([*epoch(2, 0, 2), *epoch(2, 1, 2)])
    assert shared == sorted([*epoch(2), *epoch(2)[: visits % 2]])


def test_more_visits_than_windows_are_all_windows() -> None:
    orders = [
        training_batches(7, 2, seed=3, epoch=5, rank=0, world_size=1, visits=visits)
        for visits in (0, 7, 8)
    ]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize(("num_windows", "world_size"), [(7, 1), (7, 2), (1, 3)])
def test_scoring_visits_every_window_once(num_windows: int, world_size: int) -> None:
    visited = [
        index
        for rank in range(world_size)
        for batch in scoring_batches(num_windows, 3, rank=rank, world_size=world_size)
        for index in batch
    ]
    assert sorted(visited) == list(range(num_windows))


def only_split(data: Path) -> Split:
    (path,) = data.glob("*.json")
    return read_split(path)


def dataset_of(data: Path, part: str, window: int, stride: int = 1) -> WindowDataset:
    segments = only_split(data).segments(part)
    return WindowDataset(segments, window=window, stride=stride, scaling=None)


def hold_in_memory(dataset: WindowDataset) -> None:
    """Read all frames of the dataset into memory."""
    store = dataset.store
    blocks = [store.to_unit(store.read_block(block)) for block in store.blocks()]
    store.hold(torch.from_numpy(np.concatenate(blocks)))


@pytest.mark.parametrize("is_held", [False, True])
def test_every_window_of_a_sample_is_read(split_data: Path, is_held: bool) -> None:
    """Samples of 8 frames, windows of 5 with stride 2: frames 0 to 4 and 2 to 6."""
    dataset = dataset_of(split_data, "test", 5, 2)
    if is_held:
        hold_in_memory(dataset)
    first, second = (segment.series.id for segment in only_split(split_data).segments("test"))
    assert dataset.all_ids() == [f"{first}@0", f"{first}@2", f"{second}@0", f"{second}@2"]
    assert dataset.num_unused == 2  # the last frame of both
    for _ in range(2):
        indices, frames = dataset.read([3, 0])
        assert indices.tolist() == [3, 0]
        assert frames.shape == (2, 5, 1, 9, 11)
        np.testing.assert_array_equal(frames[0, 4], np.load(split_data / second / "6.npy"))
        np.testing.assert_array_equal(frames[1, 1], np.load(split_data / first / "1.npy"))


def test_windows_are_scaled_to_network_units(split_data: Path) -> None:
    segments = only_split(split_data).segments("test")
    dataset = WindowDataset(segments, window=8, stride=8, scaling=Scaling(low=(-1.0,), high=(3.0,)))
    expected = (np.load(split_data / segments[0].series.id / "5.npy") + 1) / 4
    np.testing.assert_allclose(dataset[0][5], expected, rtol=1e-6)


def test_short_samples_are_skipped_and_counted(data: Path, simvp: Simvp) -> None:
    for index in range(3):
        write_sample(data / f"short_{index}", 50 + index, frames=4)
    simvp("split", "--data-path", "data", "--train-ratio", "0.8", "--val-ratio", "0.1")
    dataset = dataset_of(data, "train", 6, 6)
    num_short = sum(s.series.id[:5] == "short" for s in only_split(data).segments("train"))
    assert num_short > 0
    # Windows of 6 frames with stride 6 leave two of 8 frames unused.
    assert dataset.num_unused == 4 * num_short + 2 * len(dataset)


def test_too_few_frames_are_refused(split_data: Path) -> None:
    with pytest.raises(DataError, match="has 8 frames in the split file.* but 9 are needed"):
        dataset_of(split_data, "test", 9)


def test_frames_smaller_than_the_ssim_window_are_refused(data: Path, simvp: Simvp) -> None:
    for index in range(11):
        shutil.rmtree(data / f"{index:02}abc_wave_{index}")
        write_sample(data / f"small_{index}", index, size=(6, 9))
    result = simvp("split", "--data-path", "data", code=2)
    assert "the frames are 6x9 cells with 1 channels; at least 7x7" in result.stderr
    segments = [Segment(series, 0, 8) for series in open_source(data).series]
    with pytest.raises(DataError, match="has frames of 6x9 cells; at least 7x7"):
        WindowDataset(segments, window=3, stride=1, scaling=None)


def test_sample_with_a_removed_frame_is_named(split_data: Path) -> None:
    series = only_split(split_data).segments("test")[0].series
    (split_data / series.id / "7.npy").unlink()
    with pytest.raises(DataError, match=f"{series.id}: has 7 frames, but the split file lists 8"):
        dataset_of(split_data, "test", 3)


@pytest.mark.parametrize("window", [3, 8])
def test_frames_changed_since_the_split_are_refused(split_data: Path, window: int) -> None:
    dataset = dataset_of(split_data, "test", window)
    series = only_split(split_data).segments("test")[0].series
    np.save(split_data / series.id / "7.npy", np.full((1, 9, 11), 0.25, np.float32))
    last = 8 - window  # of the first series, the window that includes the changed frame
    with pytest.raises(DataError, match=f"{series.id}: its frames have changed since"):
        dataset.read([last])


def test_unchanged_frames_of_a_changed_series_can_be_read(split_data: Path) -> None:
    """Only the frames that are read are checked, so that a long series is not read twice."""
    dataset = dataset_of(split_data, "test", 3)
    series = only_split(split_data).segments("test")[0].series
    np.save(split_data / series.id / "7.npy", np.full((1, 9, 11), 0.25, np.float32))
    expected = np.load(split_data / series.id / "2.npy")
    np.testing.assert_array_equal(dataset.read([0])[1][0, 2], expected)


def test_non_finite_value_is_located(split_data: Path) -> None:
    segments = only_split(split_data).segments("test")
    frame = np.full((1, 9, 11), 0.5, np.float32)
    frame[0, 2, 7] = np.inf
    np.save(split_data / segments[1].series.id / "4.npy", frame)
    unchecked = [dataclasses.replace(segment, fingerprint="") for segment in segments]
    dataset = WindowDataset(unchecked, window=2, stride=1, scaling=None)
    index = dataset.all_ids().index(f"{segments[1].series.id}@3")
    with pytest.raises(
        DataError, match=r"4\.npy: 1 of 99 values .*, the first at index \(0, 2, 7\)"
    ):
        dataset.read([index])


def wait_of(batch: Future[Batch], is_idle: Callable[[], bool]) -> float:
    """What `_wait` returns for a batch that is read within a quarter of a second."""
    threading.Timer(0.25, batch.set_result, [(torch.tensor([]), torch.tensor([]))]).start()
    return _wait(batch, is_idle, lambda: False)


def test_waiting_counts_while_the_device_is_idle() -> None:
    assert 0.2 < wait_of(Future(), lambda: True) < 1
    assert wait_of(Future(), lambda: False) < 0.1
    start = time.monotonic()
    assert 0.02 < wait_of(Future(), lambda: time.monotonic() > start + 0.15) < 0.2


def test_loop_over_slow_data_waits_except_for_the_first_batch(
    split_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads read a batch in 0.1 s each, so that there is one every 0.05 s."""
    read = WindowDataset.read

    def slow_read(self: WindowDataset, indices: list[int], *, pinned: bool) -> Batch:
        time.sleep(0.1)
        return read(self, indices, pinned=pinned)

    monkeypatch.setattr(WindowDataset, "read", slow_read)
    dataset, waiting = dataset_of(split_data, "train", 8), Waiting()
    order = [[index] for index in (3, 0, 6, 2, 5, 1, 4)]
    found = [indices.tolist() for indices, _ in batches(dataset, order, "cpu", waiting)]
    assert found == order
    assert 0.25 < waiting.waited <= waiting.total
    assert waiting.waited > 0.9 * waiting.total
    for _ in batches(dataset, order, "cpu", waiting := Waiting()):
        time.sleep(0.1)
    assert waiting.waited < 0.1 * waiting.total
