"""Heat conduction."""

import numpy as np
from helpers import laplacian

from simvp.simulators import heat


def wall(index: int, size: int) -> int:
    return min(max(index, 0), size - 1)


def test_frames_match_a_float64_reference() -> None:
    initial = heat.initial_state(12, np.random.default_rng(0))
    frames = heat.simulate(initial, frames=3)
    x = initial[0].astype(float)
    for _ in range(2 * 8):
        x = np.where((initial[0] == 0) | (initial[0] == 1), x, x + 0.2 * laplacian(x, wall))
    np.testing.assert_allclose(frames[2, 0], x, atol=1e-6)


def test_spots_keep_their_temperature_and_others_stay_within_bounds() -> None:
    initial = heat.initial_state(32, np.random.default_rng(1))
    frames = heat.simulate(initial, frames=6)
    assert {0.0, 1.0} <= set(initial.flat)
    for value in (0.0, 1.0):
        assert np.all(frames[:, initial == value] == value)
    assert frames.min() == 0 and frames.max() == 1
    assert 0 < frames[5][(initial != 0) & (initial != 1)].min()


def test_heat_without_spots_is_conserved_and_a_wave_decays_at_the_known_rate() -> None:
    size = 16
    wave = np.cos(np.pi * (np.arange(size) + 0.5) / size)
    initial = (0.5 + 0.2 * wave[:, None] * np.ones(size)).astype(np.float32)[np.newaxis]
    after = heat.simulate(initial, frames=4)[3, 0]
    decay = (1 - 0.2 * (2 - 2 * np.cos(np.pi / size))) ** (3 * 8)
    np.testing.assert_allclose(after, 0.5 + 0.2 * decay * wave[:, None] * np.ones(size), atol=1e-6)
    np.testing.assert_allclose(after.sum(), initial.sum(), rtol=1e-6)


def test_no_change_without_diffusion() -> None:
    initial = heat.initial_state(12, np.random.default_rng(0))
    frames = heat.simulate(initial, frames=2, diffusion=0.0)
    np.testing.assert_array_equal(frames[1], initial)
