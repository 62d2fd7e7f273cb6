"""Runs that version 1 began; its commit 5127972 wrote the files in golden/version_1_checkpoint."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers import GOLDEN, Simvp, only_split

from simvp.storage import checkpoint

FILES = GOLDEN / "version_1_checkpoint"
RUN = Path("work_dirs/default")


@pytest.fixture
def begun(tmp_path: Path, simvp: Simvp) -> Path:
    """A run of two epochs on the first seven frames of twelve samples."""
    (RUN / "checkpoints").mkdir(parents=True)
    shutil.copy(FILES / "latest.pth", RUN / "checkpoints")
    shutil.copy(FILES / "config.toml", RUN)
    simvp("simulate", "--samples", "12", "--frames", "7", "--image-size", "16")
    for path in (*FILES.glob("*_loaders.json"), FILES / "dataset.toml"):
        shutil.copy(path, "boiling_data")
    return RUN


def test_resumed_run_ends_as_in_version_1(begun: Path, simvp: Simvp) -> None:
    assert "resuming: 2 of 4 epochs" in simvp("train", "--resume", "--epochs", "4").stdout
    found = checkpoint.load(RUN / "simvp_model.pth")
    expected = checkpoint.load(FILES / "after_4_epochs.pth")
    assert found.keys() == expected.keys()
    # GroupNorm removes these biases, since each of its groups has one channel here. Their gradients
    # are rounding errors, which Adam enlarges.
    removed = {f"{part}.conv.bias" for part in ("encoder.layers.0", "encoder.layers.1")}
    removed.add("decoder.layers.1.conv.bias")
    for name in expected.keys() - removed:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)
    began = checkpoint.load(FILES / "latest.pth")["model"]["decoder.readout.weight"]
    assert (began - expected["decoder.readout.weight"]).abs().max() > 1e-3  # it has changed since
    simvp("train", "--resume", "--epochs", "5")


def test_run_on_the_first_frames_of_longer_samples_is_refused(begun: Path, simvp: Simvp) -> None:
    """Version 1 left the other frames out, but the windows of this version use them."""
    shutil.rmtree("boiling_data")
    simvp("simulate", "--samples", "12", "--frames", "9", "--image-size", "16")
    simvp("split")
    before = sorted(RUN.rglob("*"))
    split = str(only_split(Path("boiling_data")))
    result = simvp("train", "--resume", "--epochs", "4", "--data", split, code=2)
    assert (
        "work_dirs/default: cannot resume: version 1 of simvp began this run with the first 7 "
        "frames of each training sample" in result.stderr
    )
    assert "--init-from work_dirs/default/simvp_model.pth" in result.stderr
    assert sorted(RUN.rglob("*")) == before


def test_run_on_other_samples_is_refused(begun: Path, simvp: Simvp) -> None:
    simvp("split", "boiling_data", "--seed", "5", "--output", "other")
    split = str(only_split(Path("other")))
    result = simvp("train", "--resume", "--epochs", "4", "--data", split, code=2)
    assert "this has changed since the training began: other training samples" in result.stderr
