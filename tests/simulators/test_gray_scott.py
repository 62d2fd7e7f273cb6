"""Gray-Scott reaction and diffusion."""

import numpy as np
import pytest
from helpers import laplacian

from simvp.simulators import gray_scott


def around(index: int, size: int) -> int:
    return index % size


def test_step_matches_a_float64_reference() -> None:
    initial = gray_scott.initial_state(9, np.random.default_rng(0))
    u, v = gray_scott.step(initial[0], initial[1], feed=0.014, kill=0.054)
    a, b = initial.astype(float)
    expected_u = a + 0.2 * laplacian(a, around) - a * b**2 + 0.014 * (1 - a)
    expected_v = b + 0.1 * laplacian(b, around) + a * b**2 - (0.014 + 0.054) * b
    np.testing.assert_allclose(u, expected_u, atol=1e-6)
    np.testing.assert_allclose(v, expected_v, atol=1e-6)


def test_no_change_without_v_and_total_changes_by_feed_and_kill() -> None:
    ones, zeros = np.ones((8, 8), np.float32), np.zeros((8, 8), np.float32)
    u, v = gray_scott.step(ones, zeros, feed=0.014, kill=0.054)
    np.testing.assert_array_equal((u, v), (ones, zeros))
    a, b = gray_scott.initial_state(16, np.random.default_rng(0)).astype(np.float32)
    u, v = gray_scott.step(a, b, feed=0.014, kill=0.054)
    # Diffusion and reaction conserve the total.
    change = float((u + v - a - b).sum(dtype=np.float64))
    feed = 0.014 * float((1 - a).sum(dtype=np.float64)) - 0.068 * float(b.sum(dtype=np.float64))
    assert change == pytest.approx(feed, rel=1e-4)


def test_spots_move_and_persist() -> None:
    initial = gray_scott.initial_state(64, np.random.default_rng(3))
    v = gray_scott.simulate(initial, frames=12)[:, 1]
    assert all(frame.max() > 0.3 for frame in v)
    assert np.abs(v[11] - v[0]).max() > 0.3


def test_reaction_and_feed_match_hand_computed_values() -> None:
    u, v = np.full((3, 4), 0.5, np.float32), np.full((3, 4), 0.25, np.float32)
    after_u, after_v = gray_scott.step(u, v, feed=0.04, kill=0.06)
    np.testing.assert_allclose(after_u, 0.5 - 0.03125 + 0.04 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(after_v, 0.25 + 0.03125 - 0.1 * 0.25, rtol=1e-6)
