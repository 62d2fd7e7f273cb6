"""Channels that a network is given and does not forecast, from the split to the picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, Simvp, only_split

import simvp as package
from simvp.data import read_split
from simvp.errors import DataError


@pytest.fixture(params=["direct", "stepwise"])
def run(data: Path, simvp: Simvp, request: pytest.FixtureRequest) -> Path:
    """A tested run that forecasts channel a. Channel b is an input, and missing in one corner."""
    for file in data.glob("*/*.npy"):
        waves = np.load(file)
        frame = np.concatenate([280 + 10 * waves, 1 - waves])
        frame[1, :2, :3] = np.nan
        np.save(file, frame)
    (data / "dataset.toml").write_text("[channels.a]\nunit = 'K'\n\n[channels.b]\n")
    simvp("split", "data", "--inputs", "b")
    recipe = ("--recipe", request.param)
    simvp("train", "--data-path", "data", "--epochs", "2", *TINY, *recipe)
    simvp("test")
    return Path("work_dirs/default")


def read(folder: Path) -> np.ndarray:
    return np.stack([np.load(folder / f"{i}.npy") for i in range(len(list(folder.iterdir())))])


def test_scores_and_saved_frames_are_of_forecast_channels(run: Path) -> None:
    record = json.loads((run / "saved" / "metrics.json").read_text())
    low, high = (getattr(read_split("data").data.scaling, name)[0] for name in ("low", "high"))
    squared, persistence = [], []
    for folder in sorted((run / "saved" / "preds").iterdir()):
        inputs, trues, preds = (
            read(run / "saved" / kind / folder.name) for kind in ("inputs", "trues", "preds")
        )
        assert inputs.shape == (3, 2, 9, 11) and trues.shape == preds.shape == (4, 1, 9, 11)
        assert np.isfinite(preds).all()  # although the input is missing in a corner
        for errors, forecast in ((squared, preds), (persistence, inputs[-1:, :1])):
            errors.append(((forecast - trues) / (high - low)) ** 2)
    cells = 9 * 11
    assert record["mse"] == pytest.approx(cells * np.mean(squared), rel=1e-4)
    assert record["persistence"]["mse"] == pytest.approx(cells * np.mean(persistence), rel=1e-4)
    assert list(record["channels"]) == ["a"]
    rmse = (high - low) * np.mean([np.sqrt(e.mean(axis=(1, 2, 3))) for e in squared])
    assert record["channels"]["a"]["rmse_unit"] == pytest.approx(rmse, rel=1e-4)
    history = np.genfromtxt(run / "metrics.csv", delimiter=",", names=True)
    np.testing.assert_allclose(history["val_loss"], history["val_mse"] / cells)


def test_forecaster_takes_all_channels_and_returns_forecast_channels(run: Path) -> None:
    forecaster = package.load(run)
    assert forecaster.data.forecast_channels == ("a",)
    folder = min((run / "saved" / "preds").iterdir())
    inputs = read(run / "saved" / "inputs" / folder.name)
    forecast = forecaster.predict(inputs)
    assert forecast.shape == (4, 1, 9, 11)
    np.testing.assert_allclose(forecast, read(folder), rtol=1e-5)
    changed = inputs.copy()
    changed[:, 1] += 0.5
    assert np.abs(forecaster.predict(changed) - forecast).max() > 1e-4
    assert forecaster.predict(inputs[None], 8).shape == (1, 8, 1, 9, 11)
    for wrong in (inputs[:, 0], inputs[:, :1]):
        with pytest.raises(ValueError, match=r"2 channels \(a, b; input only: b\) of 9 x 11"):
            forecaster.predict(wrong)


def test_pictures_are_of_forecast_channels(run: Path, simvp: Simvp) -> None:
    sample = min((run / "saved" / "inputs").iterdir()).name
    simvp("viz", sample)
    assert [path.name for path in (run / "pictures").iterdir()] == [f"{sample}.png"]
    for channel in ("b", "1"):
        refused = simvp("viz", sample, "--channel", channel, code=2)
        assert "the only forecast channel is a; leave out --channel" in refused.stderr
    assert "'b': is not forecast;" in simvp("viz", sample, "--channel", "b", code=2).stderr


def test_run_resumes_only_with_the_same_forecast_channels(run: Path, simvp: Simvp) -> None:
    simvp("train", "--resume", "--epochs", "3")
    path = only_split(Path("data"))
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "inputs": []}))
    refused = simvp("train", "--resume", "--epochs", "4", code=2)
    assert "number of forecast channels was 1, now 2" in refused.stderr
    assert (
        "inputs of the data: (), but the run was trained on ('b',)" in simvp("test", code=2).stderr
    )
    for inputs in (["a"], ["a", "b"]):
        path.write_text(json.dumps({**record, "inputs": inputs}))
        with pytest.raises(DataError, match="are not the last of channels"):
            read_split(path)


def test_predicted_frames_of_scaled_data_are_scaled_as_forecast_channels(
    data: Path, simvp: Simvp
) -> None:
    for file in data.glob("*/*.npy"):
        np.save(file, np.concatenate([np.load(file), 1 - np.load(file)]))
    ranges = "[channels.a]\nlow = 250.0\nhigh = 300.0\n\n[channels.b]\nlow = 3.0\nhigh = 5.0\n"
    (data / "dataset.toml").write_text(f"stored = 'scaled'\n\n{ranges}")
    simvp("split", "data", "--inputs", "b")
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
    simvp("predict", "--at", "2")
    simvp("test")
    folder = min(Path("work_dirs/default/saved/preds").iterdir())
    predicted = read(Path("work_dirs/default/forecasts/data") / folder.name)
    assert predicted.shape == (4, 1, 9, 11)
    np.testing.assert_allclose(predicted, read(folder), atol=1e-5)
