"""Properties that all simulated systems share."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from helpers import Simvp

from simvp import simulators
from simvp.data.card import DatasetCard


@pytest.fixture(params=simulators.names())
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_batch_equals_its_samples_simulated_separately(system: str) -> None:
    simulator = simulators.load(system)
    initial = [simulator.initial_state(16, np.random.default_rng([0, k])) for k in range(3)]
    batch = simulator.simulate(np.stack(initial), frames=3)
    assert batch.dtype == np.float32 and 0 <= batch.min() and batch.max() <= 1
    for k in range(3):
        np.testing.assert_array_equal(batch[k], simulator.simulate(initial[k], frames=3))


def test_system_has_exactly_the_symmetries_of_its_card(system: str) -> None:
    """Simulating a transformed initial state transforms all frames."""
    simulator = simulators.load(system)
    card = DatasetCard(**simulator.card(simulator.complete({})))
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


# SHA-256 of four frames of 16x16 cells, computed before the systems had parameters.
DIGESTS = {
    "boiling": "7f69fa40624ee1c75e35c903fbcf3699e8ff65758e2d7ea034b1a25bdc8effcd",
    "gray-scott": "8eafd0d3eb781bfe5664e88b60d53bdc7e765d15612c66cab4d50f101e35f863",
    "heat": "3255c6c9214e714c28f755054a339fe40525658847e7fb1f09892f0ebe2ba9a9",
}


@pytest.mark.parametrize("system", DIGESTS)
def test_default_parameters_give_bitwise_the_frames_of_version_1(system: str) -> None:
    simulator = simulators.load(system)
    initial = simulator.initial_state(16, np.random.default_rng([7, 0]))
    frames = simulator.simulate(initial, frames=4, **simulator.complete({}))
    assert hashlib.sha256(frames.tobytes()).hexdigest() == DIGESTS[system]


def corners(system: str) -> list[dict[str, float]]:
    """Every combination of the lowest and highest values of the parameters."""
    settings = simulators.load(system).settings
    bounds = [(setting.low, setting.high) for setting in settings.values()]
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*bounds)]


def test_frames_stay_in_0_to_1_at_the_bounds_of_the_parameters(system: str) -> None:
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
        other = (setting.default + setting.high) / 2
        changed = simulator.simulate(initial, frames=3, **{name: other})
        assert not np.array_equal(changed, default), name


def test_new_file_adds_a_system_with_parameters(
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
        "error: --param levle = 1.0: flat-field has no such parameter; "
        "its parameters: level. Did you mean 'level'?",
        "--param level = 2.0: should be from 0 to 1 (value of each cell)",
    ]
    help_text = " ".join(simvp("simulate", "--help").output.split())
    assert "flat-field: level, value of each cell (0 to 1, default 0.5)" in help_text
