"""Boiling water."""

import hashlib

import numpy as np
import pytest
from helpers import GOLDEN

from simvp.simulators import boiling


def test_trajectory_is_bitwise_equal_to_the_reference() -> None:
    golden = np.load(GOLDEN / "boiling.npz")
    initial = golden["64x64_inc10_initial"]
    assert hashlib.sha256(initial.tobytes()).hexdigest() == str(golden["64x64_inc10_sha256"])
    frames = boiling.simulate(initial, frames=20, increment=10)
    np.testing.assert_array_equal(frames, golden["64x64_inc10_frames"])


def test_step_is_the_mean_of_the_neighbours_plus_the_increment() -> None:
    grid = np.zeros((1, 5, 5), dtype=np.float32)
    grid[0, 0, 0] = 80.0
    after = boiling.step(grid, increment=3.0)
    expected = np.full((1, 5, 5), 3.0, dtype=np.float32)
    for y, x in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]:
        expected[0, y, x] = 13.0  # neighbours of the corner across the periodic boundary
    np.testing.assert_array_equal(after, expected)


def test_temperature_wraps_at_the_boiling_point() -> None:
    grid = np.full((1, 3, 3), 205.0, dtype=np.float32)
    np.testing.assert_array_equal(boiling.step(grid, increment=10.0), np.full((1, 3, 3), 3.0))


@pytest.mark.parametrize("increment", [-30.0, 0.0, 7.5, 211.9, 212.0, 1000.0])
def test_step_wraps_any_increment_as_numpy_remainder(increment: float) -> None:
    batch = np.random.default_rng(2).uniform(0, 212, (3, 1, 6, 9)).astype(np.float32)
    total = np.zeros_like(batch)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                total += np.roll(batch / np.float32(8), (dy, dx), (-2, -1))
    expected = np.remainder(total + np.float32(increment), np.float32(212))
    np.testing.assert_array_equal(boiling.step(batch, increment), expected)


def test_total_heat_is_conserved_without_wrapping() -> None:
    grid = np.random.default_rng(1).uniform(0, 100, (1, 7, 7)).astype(np.float32)
    np.testing.assert_allclose(boiling.step(grid, increment=0.0).sum(), grid.sum(), rtol=1e-5)
