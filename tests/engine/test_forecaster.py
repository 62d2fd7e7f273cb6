"""The Python API of a trained run: forecasts in physical units, and invalid inputs."""

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import TINY, Simvp, squeezed
from safetensors.torch import save_file

import simvp as package
from simvp.errors import ConfigError, RunError, RunFailed

CARD = "unit = 'K'\nlow = 250.0\nhigh = 300.0\n"


@pytest.fixture
def run(split_data: Path, simvp: Simvp) -> Path:
    """A tested run on scaled data of 250 to 300 K."""
    (split_data / "dataset.toml").write_text(CARD)
    simvp("split", "--data-path", "data")
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
    simvp("test")
    return split_data.parent / "work_dirs" / "default"


def saved(run: Path, kind: str, count: int) -> np.ndarray:
    sample = min((run / "saved" / kind).iterdir())
    return np.stack([np.load(sample / f"{i}.npy") for i in range(count)])


def test_forecast_equals_the_one_saved_by_test_in_physical_units(run: Path) -> None:
    inputs, preds = saved(run, "inputs", 3), saved(run, "preds", 4)
    forecast = package.load(run).predict(250.0 + 50.0 * inputs)
    assert forecast.shape == (4, 1, 9, 11)
    np.testing.assert_allclose(forecast, 250.0 + 50.0 * preds, atol=1e-3)


def test_forecast_has_the_type_and_layout_of_the_input(run: Path) -> None:
    forecaster = package.load(str(run))
    inputs = 250.0 + 50.0 * saved(run, "inputs", 3)
    expected = forecaster.predict(inputs, 2)
    assert isinstance(expected, np.ndarray) and expected.dtype == np.float32
    np.testing.assert_array_equal(forecaster.predict(inputs[:, 0], 2), expected[:, 0])
    np.testing.assert_array_equal(forecaster.predict(inputs[None].astype(float), 2)[0], expected)
    earlier = np.zeros((2, 1, 9, 11), np.float32)
    longer = np.concatenate([earlier, inputs])
    np.testing.assert_array_equal(forecaster.predict(longer, 2), expected)
    tensor = torch.from_numpy(inputs).requires_grad_()
    forecast = forecaster.predict(tensor, 2)
    assert isinstance(forecast, torch.Tensor) and not forecast.requires_grad
    np.testing.assert_array_equal(forecast.numpy(), expected)


def test_longer_forecast_starts_with_the_trained_steps(run: Path) -> None:
    forecaster = package.load(run)
    inputs = 250.0 + 50.0 * saved(run, "inputs", 3)
    assert forecaster.trained_steps == 4
    longer = forecaster.predict(inputs, 9)
    assert longer.shape == (9, 1, 9, 11)
    np.testing.assert_array_equal(longer[:4], forecaster.predict(inputs))


@pytest.mark.parametrize("shape", [(2, 1, 9, 11), (3, 1, 11, 9), (3, 2, 9, 11), (9, 11), ()])
def test_wrong_shape_is_refused_with_the_expected_one(run: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="trained on 3 input frames with 1 channel of 9 x 11"):
        package.load(run).predict(np.zeros(shape))


def test_non_finite_values_and_zero_steps_are_refused(run: Path) -> None:
    forecaster = package.load(run)
    with pytest.raises(ValueError, match="infinite values .* or NaN"):
        forecaster.predict(np.full((3, 1, 9, 11), np.nan))
    with pytest.raises(ValueError, match="steps = 0: should be 1 or more"):
        forecaster.predict(np.zeros((3, 1, 9, 11)), 0)
    with pytest.raises(TypeError, match="integer"):
        forecaster.predict(np.zeros((3, 1, 9, 11)), 2.5)  # type: ignore[arg-type]


def test_units_of_a_run_do_not_change_with_the_card(run: Path, simvp: Simvp) -> None:
    before = simvp("test").stdout
    assert "warning" not in before and "\nvalue K " in squeezed(before)
    Path("data/dataset.toml").write_text("unit = 'degC'\nlow = -20.0\nhigh = 80.0\n")
    after = simvp("test").stdout
    assert "warning: the data card or scaling differs" in after
    lines = [line for line in after.splitlines() if not line.startswith("warning: ")]
    assert lines == before.splitlines()


def test_run_with_missing_or_damaged_data_description_is_refused(run: Path, simvp: Simvp) -> None:
    (run / "data.json").write_text('{"format": 2, "shape": [1, 9]}')
    with pytest.raises(RunError, match=r"data\.json: is damaged \(channels: Field required"):
        package.load(run)
    (run / "data.json").unlink()
    with pytest.raises(RunError, match=r"data\.json: is missing.*simvp test .*` adds it"):
        package.load(run)
    simvp("test")
    assert package.load(run).data.card.unit == "K"
    with pytest.raises(RunError, match="run not found"):
        package.load(run.parent / "other")


def test_forecaster_names_its_channels_and_units(run: Path) -> None:
    forecaster = package.load(run)
    assert (forecaster.channels, forecaster.units) == (("value",), ("K",))


def test_forecaster_can_be_pickled_and_copied(run: Path) -> None:
    """For processes of a pool, and for notebooks."""
    forecaster = package.load(run)
    inputs = 250.0 + 50.0 * saved(run, "inputs", 3)
    expected = forecaster.predict(inputs)
    for other in (pickle.loads(pickle.dumps(forecaster)), copy.deepcopy(forecaster)):
        np.testing.assert_array_equal(other.predict(inputs), expected)


def test_weights_can_be_saved_as_safetensors(run: Path, simvp: Simvp) -> None:
    forecaster = package.load(run)
    save_file(forecaster.network.state_dict(), "weights.safetensors")
    before = (run / "saved" / "metrics.npy").read_bytes()
    simvp("test", "--weights", "weights.safetensors")
    assert (run / "saved" / "metrics.npy").read_bytes() == before


def test_network_can_be_exported_by_torch(run: Path) -> None:
    network = package.load(run).network
    inputs, other = torch.rand(2, 3, 1, 9, 11), torch.rand(5, 3, 1, 9, 11)
    program = torch.export.export(
        network, (inputs,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    torch.testing.assert_close(program.module()(other), network(other), rtol=0, atol=1e-6)


def test_onnx_model_forecasts_the_same(run: Path) -> None:
    forecaster = package.load(run)
    forecaster.export("model.onnx", steps=5)
    inputs = 250.0 + 50.0 * np.random.default_rng(0).random((3, 3, 1, 9, 11), np.float32)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["forecast"], {"frames": inputs})
    np.testing.assert_allclose(found, forecaster.predict(inputs, 5), atol=1e-3)


def test_onnx_model_that_forecasts_something_else_is_not_written(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simvp.engine.export._TOLERANCE", 0.0)
    with pytest.raises(RunFailed, match=r"model\.onnx: not written, .* of the range of the data"):
        package.load(run).export("model.onnx")
    assert not Path("model.onnx").exists()


def test_missing_packages_for_onnx_are_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"onnxruntime; install it with `pip install 'simvp\[onn"):
        package.load(run).export("model.onnx")
