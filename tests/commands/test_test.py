"""`simvp test`."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers import Simvp

from simvp.data import read_split


def test_saved_frames_match_the_samples(tested: Path) -> None:
    data = tested.parent.parent / "data"
    for sample in (tested / "saved" / "trues").iterdir():
        inputs = tested / "saved" / "inputs" / sample.name
        for number in range(3):
            np.testing.assert_array_equal(
                np.load(inputs / f"{number}.npy"), np.load(data / sample.name / f"{number}.npy")
            )
        for number in range(4):
            np.testing.assert_array_equal(
                np.load(sample / f"{number}.npy"), np.load(data / sample.name / f"{number + 3}.npy")
            )


def test_metrics_match_the_saved_frames(tested: Path) -> None:
    saved = tested / "saved"
    record = json.loads((saved / "metrics.json").read_text())
    errors, persistence = {}, {}
    for sample in (saved / "trues").iterdir():
        true = np.stack([np.load(sample / f"{i}.npy") for i in range(4)]).astype(float)
        pred = np.stack([np.load(saved / "preds" / sample.name / f"{i}.npy") for i in range(4)])
        last = np.load(saved / "inputs" / sample.name / "2.npy")
        errors[sample.name] = ((pred - true) ** 2).sum(axis=(1, 2, 3))
        persistence[sample.name] = ((last - true) ** 2).sum(axis=(1, 2, 3))
    assert record["mse"] == pytest.approx(np.mean(list(errors.values())), rel=1e-6)
    assert record["persistence"]["mse"] == pytest.approx(
        np.mean(list(persistence.values())), rel=1e-6
    )
    assert record["per_step"]["mse"] == pytest.approx(np.mean(list(errors.values()), 0), rel=1e-6)
    for name, error in errors.items():
        assert record["samples"][name]["mse"] == pytest.approx(error.mean(), rel=1e-6)
    values = np.load(saved / "metrics.npy", allow_pickle=False)
    assert float(values["ssim"]) == record["ssim"]


def test_metrics_do_not_depend_on_the_batch_size(tested: Path, simvp: Simvp) -> None:
    one = json.loads((tested / "saved" / "metrics.json").read_text())
    simvp("test", "--set", "train.val_batch_size=1")
    other = json.loads((tested / "saved" / "metrics.json").read_text())
    for name in ("mse", "mae", "rmse", "psnr", "ssim"):
        assert other[name] == pytest.approx(one[name], rel=1e-6, abs=1e-6)


def test_config_of_the_run_is_read(trained: Path, simvp: Simvp) -> None:
    # The network settings come from the run, the device from the current settings.
    Path("simvp.toml").write_text("[model]\nhid_S = 32\n\n[run]\ndevice = 'cuda:7'\n")
    assert "run.device = 'cuda:7'" in simvp("test", code=2).stderr
    simvp("test", "--device", "cpu")


def test_mismatching_checkpoint_is_rejected(trained: Path, simvp: Simvp) -> None:
    result = simvp("test", "--set", "model.hid_T=12", code=2)
    assert "do not match the network" in result.stderr
    assert not (trained / "saved").exists()
    result = simvp("test", "--checkpoint", "no.pth", code=2)
    assert "no.pth: there is no such checkpoint" in result.stderr
    simvp("test", "--checkpoint", str(trained / "checkpoints" / "latest.pth"))


def test_scoring_training_samples_is_warned_of(trained: Path, simvp: Simvp) -> None:
    assert "warning" not in simvp("test").stdout
    simvp("split", "--data-path", "data", "--seed", "5")
    newest = max(Path("data").glob("*_loaders.json"), key=lambda path: path.stat().st_mtime_ns)
    output = simvp("test", "--data", str(newest)).stdout
    trained_on = {
        segment.series.id
        for segment in read_split(min(Path("data").glob("*.json"), key=os.path.getmtime)).segments(
            "train"
        )
    }
    tested = {segment.series.id for segment in read_split(newest).segments("test")}
    assert tested & trained_on
    assert f"warning: {len(tested & trained_on)} of the test samples are training samples" in output
