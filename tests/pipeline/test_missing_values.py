"""Data with missing values, from the files to the forecast."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, Simvp, describe_data, write_sample

import simvp as package
from simvp.data import read_split


@pytest.fixture
def ocean(data: Path) -> np.ndarray:
    """The land of a data set of two channels, (9, 11): missing in all frames."""
    land = np.zeros((9, 11), bool)
    land[:3, :4] = True
    for file in data.glob("*/*.npy"):
        waves = np.load(file)
        frame = np.concatenate([280 + 10 * waves, waves - 0.5])
        frame[:, land] = np.nan
        frame[1, 5, 6] = np.nan if file.name == "2.npy" else 0.1
        np.save(file, frame)
    return land


def read(folder: Path) -> np.ndarray:
    return np.stack([np.load(folder / f"{i}.npy") for i in range(len(list(folder.iterdir())))])


@pytest.mark.parametrize("standardize", ["true", "false"])
def test_land_is_not_forecast_and_not_scored(
    data: Path, ocean: np.ndarray, simvp: Simvp, standardize: str
) -> None:
    assert "12 %" in simvp("split", "data").stdout  # of 99 cells are land
    settings = ("--epochs", "2", "--set", f"model.standardize={standardize}")
    simvp("train", "--data-path", "data", *TINY, *settings)
    simvp("test")
    run = Path("work_dirs/default")
    record = json.loads((run / "saved" / "metrics.json").read_text())
    errors = []
    for folder in sorted((run / "saved" / "preds").iterdir()):
        inputs, trues, preds = (
            read(run / "saved" / kind / folder.name) for kind in ("inputs", "trues", "preds")
        )
        np.testing.assert_array_equal(np.isnan(preds[:, :, ocean]), True)
        assert np.isfinite(preds[:, :, ~ocean]).all()
        errors.append(np.sqrt(np.nanmean((preds - trues) ** 2, axis=(2, 3))))
        forecast = package.load(run).predict(inputs)
        np.testing.assert_allclose(forecast, preds, rtol=1e-5, atol=1e-6)
    for channel in range(2):
        found = record["channels"][str(channel)]["rmse_unit"]
        assert found == pytest.approx(np.mean([error[:, channel] for error in errors]), rel=1e-5)
    assert np.isfinite([record[name] for name in ("mse", "mae", "rmse", "psnr", "ssim")]).all()
    assert np.isfinite(record["persistence"]["mse"])
    sample = next((run / "saved" / "inputs").iterdir()).name
    simvp("viz", sample)


def test_statistics_leave_out_missing_values(data: Path, ocean: np.ndarray, simvp: Simvp) -> None:
    simvp("split", "data")
    split = read_split(data)
    training = np.concatenate([s.read_stored(0, 8) for s in split.segments("train")])
    assert split.statistics is not None
    by_channel = (0, 2, 3)
    np.testing.assert_allclose(split.statistics.low, np.nanmin(training, by_channel))
    np.testing.assert_allclose(
        split.statistics.mean, np.nanmean(training, by_channel, dtype=float), rtol=1e-9
    )
    np.testing.assert_allclose(
        split.statistics.std, np.nanstd(training, by_channel, dtype=float), rtol=1e-9
    )
    np.testing.assert_allclose(split.statistics.missing, np.isnan(training).mean(by_channel))


@pytest.mark.parametrize("standardize", ["true", "false"])
def test_loss_ignores_missing_truth(standardize: str) -> None:
    """Gradients are those of the mean over the known values."""
    from simvp.config import assignment_layer, resolve
    from simvp.engine import build_network
    from simvp.engine.learner import Learner
    from simvp.engine.recipes import resolve_recipe
    from simvp.runtime.group import Group

    settings = ("train.batch_size=2", "train.compile=false", "train.precision=fp32")
    network = ("model.boundary=zeros", "model.hid_S=4", "model.hid_T=8", "model.N_T=2")
    network = (*network, f"model.standardize={standardize}")
    lengths = ("data.pre_seq_length=3", "data.aft_seq_length=2")
    texts = (*settings, *network, *lengths)
    config = resolve_recipe(resolve([assignment_layer(text) for text in texts]), None)
    cpu = torch.device("cpu")
    description = describe_data((1, 9, 11), mean=(0.5,), std=(0.3,), has_missing=True)
    model = build_network(config, description, cpu).train()
    learner = Learner(config, model, Group(0, 1, cpu))
    frames = torch.rand(2, 5, 1, 9, 11)
    frames[..., :3, :4] = torch.nan
    loss = learner.step(frames, lr_factor=0.0, beta1=0.9)
    with torch.no_grad():
        forecast = model(frames[:, :3], 2)
    errors = (forecast - frames[:, 3:])[~frames[:, 3:].isnan()]
    assert float(loss) == pytest.approx(float(errors.square().mean()), rel=1e-4)
    assert not learner.failed


def test_windows_do_not_bridge_frames_without_values(tmp_path: Path, simvp: Simvp) -> None:
    write_sample(tmp_path / "data" / "run", 0, frames=30)
    for number in (5, 11, 12):
        np.save(tmp_path / "data" / "run" / f"{number}.npy", np.full((1, 9, 11), np.nan))
    simvp("split", "data", "--train-ratio", "0.6", "--val-ratio", "0.2")
    segments = read_split(Path("data")).segments("train")
    assert [segment.frames for segment in segments] == [range(5), range(6, 11), range(13, 18)]
    lengths = ("--pre-seq-length", "2", "--aft-seq-length", "2", "--set", "data.stride=1")
    result = simvp("train", "--data-path", "data", *TINY, *lengths, "--epochs", "1")
    assert "6 training and" in result.stdout


def test_values_missing_in_validation_only_are_refused(data: Path, simvp: Simvp) -> None:
    simvp("split", "data")
    series = read_split(data).segments("validation")[0].series.id
    file = data / series / "2.npy"
    frame = np.load(file)
    frame[0, 4, 4] = np.nan
    np.save(file, frame)
    simvp("split", "data")
    result = simvp("train", "--data-path", "data", "--epochs", "1", *TINY, code=2)
    assert "2.npy: 1 of 99 values are not finite" in result.stderr
