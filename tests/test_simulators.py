"""Heat and Gray-Scott against a few independent lines, and against what is known of them."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Simvp

from simvp import simulators
from simvp.data.card import DatasetCard
from simvp.simulators import gray_scott, heat


def laplacian(x: np.ndarray, neighbour: object) -> np.ndarray:
    """One cell after the other, in float64; `neighbour(i, size)` is where index i leads."""
    height, width = x.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for di, dj in [(0, 1), (1, 0), (0, -1), (-1, 0)]:
                there = x[neighbour(i + di, height), neighbour(j + dj, width)]  # type: ignore[operator]
                result[i, j] += there - x[i, j]
    return result


def wall(index: int, size: int) -> int:
    return min(max(index, 0), size - 1)


def around(index: int, size: int) -> int:
    return index % size


@pytest.fixture(params=simulators.names())
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_heat_is_the_reference() -> None:
    initial = heat.initial_state(12, np.random.default_rng(0))
    frames = heat.simulate(initial, frames=3)
    x = initial[0].astype(float)
    for _ in range(2 * 8):
        x = np.where((initial[0] == 0) | (initial[0] == 1), x, x + 0.2 * laplacian(x, wall))
    np.testing.assert_allclose(frames[2, 0], x, atol=1e-6)


def test_heat_keeps_spots_and_bounds() -> None:
    initial = heat.initial_state(32, np.random.default_rng(1))
    frames = heat.simulate(initial, frames=6)
    assert {0.0, 1.0} <= set(initial.flat)
    for value in (0.0, 1.0):
        assert np.all(frames[:, initial == value] == value)
    assert frames.min() == 0 and frames.max() == 1
    assert 0 < frames[5][(initial != 0) & (initial != 1)].min()


def test_without_spots_heat_is_conserved_and_its_slowest_wave_decays_as_known() -> None:
    size = 16
    wave = np.cos(np.pi * (np.arange(size) + 0.5) / size)
    initial = (0.5 + 0.2 * wave[:, None] * np.ones(size)).astype(np.float32)[np.newaxis]
    after = heat.simulate(initial, frames=4)[3, 0]
    decay = (1 - 0.2 * (2 - 2 * np.cos(np.pi / size))) ** (3 * 8)
    np.testing.assert_allclose(after, 0.5 + 0.2 * decay * wave[:, None] * np.ones(size), atol=1e-6)
    np.testing.assert_allclose(after.sum(), initial.sum(), rtol=1e-6)


def test_gray_scott_is_the_reference() -> None:
    initial = gray_scott.initial_state(9, np.random.default_rng(0))
    u, v = gray_scott.step(initial[0], initial[1])
    a, b = initial.astype(float)
    expected_u = a + 0.2 * laplacian(a, around) - a * b**2 + 0.014 * (1 - a)
    expected_v = b + 0.1 * laplacian(b, around) + a * b**2 - (0.014 + 0.054) * b
    np.testing.assert_allclose(u, expected_u, atol=1e-6)
    np.testing.assert_allclose(v, expected_v, atol=1e-6)


def test_gray_scott_rests_without_v_and_its_total_follows_the_feed() -> None:
    ones, zeros = np.ones((8, 8), np.float32), np.zeros((8, 8), np.float32)
    u, v = gray_scott.step(ones, zeros)
    np.testing.assert_array_equal((u, v), (ones, zeros))
    a, b = gray_scott.initial_state(16, np.random.default_rng(0)).astype(np.float32)
    u, v = gray_scott.step(a, b)  # diffusion and reaction move between cells and substances only
    change = float((u + v - a - b).sum(dtype=np.float64))
    feed = 0.014 * float((1 - a).sum(dtype=np.float64)) - 0.068 * float(b.sum(dtype=np.float64))
    assert change == pytest.approx(feed, rel=1e-4)


def test_spots_move_and_live() -> None:
    initial = gray_scott.initial_state(64, np.random.default_rng(3))
    v = gray_scott.simulate(initial, frames=12)[:, 1]
    assert all(frame.max() > 0.3 for frame in v)
    assert np.abs(v[11] - v[0]).max() > 0.3


def test_a_batch_is_its_samples(system: str) -> None:
    simulator = simulators.load(system)
    own = {"increment": 10.0} if system == "boiling" else {}
    initial = [simulator.initial_state(16, np.random.default_rng([0, k])) for k in range(3)]
    batch = simulator.simulate(np.stack(initial), frames=3, **own)
    assert batch.dtype == np.float32 and 0 <= batch.min() and batch.max() <= 1
    for k in range(3):
        np.testing.assert_array_equal(batch[k], simulator.simulate(initial[k], frames=3, **own))


def test_its_symmetries_and_boundary_hold(system: str) -> None:
    """What the card says is true: a transformed trajectory is the one of the transformed start."""
    simulator = simulators.load(system)
    card = DatasetCard(**simulator.physics)
    own = {"increment": 10.0} if system == "boiling" else {}
    initial = simulator.initial_state(16, np.random.default_rng(0))
    frames = simulator.simulate(initial, frames=4, **own)
    moves = {
        "roll": lambda x: np.roll(x, (3, 5), (-2, -1)),
        "flip_x": lambda x: x[..., ::-1],
        "flip_y": lambda x: x[..., ::-1, :],
        "rot90": lambda x: np.rot90(x, axes=(-2, -1)),
    }
    for name, move in moves.items():
        moved = simulator.simulate(np.ascontiguousarray(move(initial)), frames=4, **own)
        holds = np.allclose(moved, move(frames), atol=1e-4)
        assert holds is (name in card.symmetries), name


def test_each_system_has_its_folder(simvp: Simvp) -> None:
    small = ("--samples", "6", "--frames", "5", "--image-size", "16")
    result = simvp("simulate", "--system", "heat", *small, code=2)
    assert "--data-path heat_data" in result.stderr
    assert not Path("boiling_data").exists()
    simvp("simulate", "--system", "gray-scott", "--data-path", "d", *small)
    assert len(list(Path("d").glob("*_gray-scott_*"))) == 6
    assert "is for samples of gray-scott" in simvp("simulate", "--data-path", "d", code=2).stderr
    result = simvp("split", "--data-path", "d")
    assert "5 frames, 16x16, all values finite" in result.stdout
    wrong = simvp("simulate", "--system", "heat", "--increment", "3", "--data-path", "e", code=2)
    assert "heat has no such setting" in wrong.stderr
