import json
from pathlib import Path

import numpy as np
import pytest

from simvp.data import split as splits
from simvp.data.batches import SampleDataset, scoring_batches, training_batches
from simvp.errors import DataError


@pytest.mark.parametrize(("num_samples", "world_size"), [(7, 1), (7, 2), (8, 2), (2, 3), (10, 4)])
def test_an_epoch_visits_every_sample_in_steps_of_equal_number(
    num_samples: int, world_size: int
) -> None:
    ranks = [
        training_batches(num_samples, 2, seed=3, epoch=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    visited = [index for batches in ranks for batch in batches for index in batch]
    assert set(visited) == set(range(num_samples))
    assert len(visited) - num_samples == -num_samples % world_size


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return training_batches(20, 4, seed=seed, epoch=epoch, rank=0, world_size=1)

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize(("num_samples", "world_size"), [(7, 1), (7, 2), (1, 3)])
def test_scoring_visits_every_sample_once(num_samples: int, world_size: int) -> None:
    visited = [
        index
        for rank in range(world_size)
        for batch in scoring_batches(num_samples, 3, rank=rank, world_size=world_size)
        for index in batch
    ]
    assert sorted(visited) == list(range(num_samples))


def test_frames_come_in_order_with_their_sample(split_data: Path) -> None:
    (path,) = split_data.glob("*.json")
    samples = splits.read(path).parts["test"]
    dataset = SampleDataset(samples, num_frames=5)
    frames = dataset[1]
    assert frames.shape == (5, 1, 9, 11)
    assert dataset.ids([1, 0]) == [samples[1].id, samples[0].id]
    np.testing.assert_array_equal(frames[4], np.load(split_data / samples[1].id / "4.npy"))


def test_too_few_frames_are_refused(split_data: Path) -> None:
    (path,) = split_data.glob("*.json")
    with pytest.raises(DataError, match="has 8 frames in the split file, but 9 are needed"):
        SampleDataset(splits.read(path).parts["test"], num_frames=9)


def test_frames_smaller_than_the_window_of_ssim_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.zeros((6, 9)))
    with pytest.raises(DataError, match="is 6x9 pixels; frames need 7x7 at least"):
        SampleDataset([splits.Sample("a", (str(tmp_path / "0.npy"),))], num_frames=1)


def test_a_listed_frame_that_is_gone_is_named(split_data: Path) -> None:
    (path,) = split_data.glob("*.json")
    frame = json.loads(path.read_bytes())["test"]["samples"][0][3]
    (split_data / frame).unlink()
    with pytest.raises(DataError, match="3.npy: is listed in the split file, but there is no such"):
        SampleDataset(splits.read(path).parts["test"], num_frames=5)
