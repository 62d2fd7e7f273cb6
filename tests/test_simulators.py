"""Heat and Gray-Scott against a few independent lines, and against what is known of them."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from conftest import Simvp

from simvp import simulators
from simvp.data.card import DatasetCard
from simvp.simulators import boiling, gray_scott, heat


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
    u, v = gray_scott.step(initial[0], initial[1], feed=0.014, kill=0.054)
    a, b = initial.astype(float)
    expected_u = a + 0.2 * laplacian(a, around) - a * b**2 + 0.014 * (1 - a)
    expected_v = b + 0.1 * laplacian(b, around) + a * b**2 - (0.014 + 0.054) * b
    np.testing.assert_allclose(u, expected_u, atol=1e-6)
    np.testing.assert_allclose(v, expected_v, atol=1e-6)


def test_gray_scott_rests_without_v_and_its_total_follows_the_feed() -> None:
    ones, zeros = np.ones((8, 8), np.float32), np.zeros((8, 8), np.float32)
    u, v = gray_scott.step(ones, zeros, feed=0.014, kill=0.054)
    np.testing.assert_array_equal((u, v), (ones, zeros))
    a, b = gray_scott.initial_state(16, np.random.default_rng(0)).astype(np.float32)
    u, v = gray_scott.step(
        a, b, feed=0.014, kill=0.054
    )  # diffusion and reaction move between cells and substances only
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
    initial = [simulator.initial_state(16, np.random.default_rng([0, k])) for k in range(3)]
    batch = simulator.simulate(np.stack(initial), frames=3)
    assert batch.dtype == np.float32 and 0 <= batch.min() and batch.max() <= 1
    for k in range(3):
        np.testing.assert_array_equal(batch[k], simulator.simulate(initial[k], frames=3))


def test_its_symmetries_and_boundary_hold(system: str) -> None:
    """What the card says is true: a transformed trajectory is the one of the transformed start."""
    simulator = simulators.load(system)
    card = DatasetCard(**simulator.physics)
    initial = simulator.initial_state(16, np.random.default_rng(0))
    frames = simulator.simulate(initial, frames=4)
    moves = {
        "roll": lambda x: np.roll(x, (3, 5), (-2, -1)),
        "flip_x": lambda x: x[..., ::-1],
        "flip_y": lambda x: x[..., ::-1, :],
        "rot90": lambda x: np.rot90(x, axes=(-2, -1)),
    }
    for name, move in moves.items():
        moved = simulator.simulate(np.ascontiguousarray(move(initial)), frames=4)
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
    assert wrong.stderr == (
        "error: --increment: simulate.parameters.increment = 3.0: heat has no such parameter; "
        "its parameters: diffusion.\n"
    )
    assert not Path("e").exists()


# SHA-256 of four frames of 16x16 cells, computed before the systems had parameters.
DIGESTS = {
    "boiling": "7f69fa40624ee1c75e35c903fbcf3699e8ff65758e2d7ea034b1a25bdc8effcd",
    "gray-scott": "8eafd0d3eb781bfe5664e88b60d53bdc7e765d15612c66cab4d50f101e35f863",
    "heat": "3255c6c9214e714c28f755054a339fe40525658847e7fb1f09892f0ebe2ba9a9",
}


def test_the_defaults_give_the_frames_of_version_1_to_the_last_bit(system: str) -> None:
    simulator = simulators.load(system)
    initial = simulator.initial_state(16, np.random.default_rng([7, 0]))
    frames = simulator.simulate(initial, frames=4, **simulator.complete({}))
    assert hashlib.sha256(frames.tobytes()).hexdigest() == DIGESTS[system]


def corners(system: str) -> list[dict[str, float]]:
    """Every combination of the lowest and highest values of the parameters."""
    settings = simulators.load(system).settings
    bounds = [(setting.low, setting.high) for setting in settings.values()]
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*bounds)]


def test_within_the_bounds_of_the_parameters_frames_stay_in_0_to_1(system: str) -> None:
    simulator = simulators.load(system)
    assert simulator.problems(simulator.complete({})) == {}
    initial = simulator.initial_state(24, np.random.default_rng(2))
    for parameters in corners(system):
        assert simulator.problems(parameters) == {}
        frames = simulator.simulate(initial, frames=5, **parameters)
        assert 0 <= frames.min() and frames.max() <= 1, parameters


def test_every_parameter_changes_the_frames(system: str) -> None:
    simulator = simulators.load(system)
    initial = simulator.initial_state(24, np.random.default_rng(2))
    default = simulator.simulate(initial, frames=3)
    for name, setting in simulator.settings.items():
        changed = simulator.simulate(initial, frames=3, **{name: setting.default * 0.9})
        assert not np.array_equal(changed, default), name


def test_gray_scott_follows_its_rates() -> None:
    u, v = np.full((3, 4), 0.5, np.float32), np.full((3, 4), 0.25, np.float32)
    after_u, after_v = gray_scott.step(u, v, feed=0.04, kill=0.06)
    np.testing.assert_allclose(after_u, 0.5 - 0.03125 + 0.04 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(after_v, 0.25 + 0.03125 - 0.1 * 0.25, rtol=1e-6)


def test_heat_without_diffusion_rests() -> None:
    initial = heat.initial_state(12, np.random.default_rng(0))
    frames = heat.simulate(initial, frames=2, diffusion=0.0)
    np.testing.assert_array_equal(frames[1], initial)


def test_parameters_reach_the_frames_and_the_shorthand_is_the_same(simvp: Simvp) -> None:
    small = ("simulate", "--samples", "2", "--frames", "3", "--image-size", "8")
    simvp(*small, "--param", "increment=5", "--data-path", "a")
    simvp(*small, "--increment", "5", "--data-path", "b")
    initial = boiling.initial_state(8, np.random.default_rng([0, 1]))
    expected = boiling.simulate(initial, frames=3, increment=5.0)
    for folder in ("a", "b"):
        (sample,) = Path(folder).glob("*_boiling_1")
        for number in range(3):
            np.testing.assert_array_equal(np.load(sample / f"{number}.npy"), expected[number])
    refused = simvp(*small, "--data-path", "a", code=2)
    assert "perhaps because it was made with other parameters (--param)" in refused.stderr


def test_a_system_with_parameters_is_one_file(
    simvp: Simvp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flat_field.py").write_text(
        "import numpy as np\n"
        "from simvp.simulators import Setting\n"
        "PHYSICS = {'name': 'flat-field', 'symmetries': []}\n"
        "SETTINGS = {'level': Setting(0.5, 0.0, 1.0, 'value of each cell')}\n"
        "def initial_state(size, rng):\n"
        "    return rng.random((1, size, size), dtype=np.float32)\n"
        "def simulate(initial, *, frames, level):\n"
        "    return np.full((len(initial), frames, *initial.shape[1:]), level, np.float32)\n"
    )
    monkeypatch.setattr(simulators, "__path__", [*simulators.__path__, str(tmp_path)])
    command = ("simulate", "--system", "flat-field", "--samples", "1", "--image-size", "7")
    simvp(*command, "--param", "level=0.25", "--data-path", "d")
    (sample,) = Path("d").glob("*_flat-field_0")
    np.testing.assert_array_equal(np.load(sample / "19.npy"), np.full((1, 7, 7), 0.25))
    refused = simvp(*command, "--param", "levle=1", "--param", "level=2", code=2)
    assert refused.stderr.splitlines() == [
        "error: --param levle: simulate.parameters.levle = 1.0: flat-field has no such parameter; "
        "its parameters: level. Did you mean 'level'?",
        "--param level: simulate.parameters.level = 2.0: should be from 0 to 1 "
        "(value of each cell)",
    ]
    help_text = " ".join(simvp("simulate", "--help").output.split())
    assert "flat-field: level, value of each cell (0 to 1, default 0.5)" in help_text
