"""Which weights a training keeps, and what it says about them and about persistence."""

from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, Simvp

from simvp.config.training import TrainSection
from simvp.data import read_split
from simvp.data.batches import WindowDataset
from simvp.engine.history import Progress, describe_persistence, describe_step
from simvp.storage import checkpoint

SETTINGS = TrainSection(epochs=6)


def lines(epoch: int, best: float, settings: TrainSection = SETTINGS) -> list[str]:
    progress = Progress(epoch=epoch, best_loss=best, persistence_loss=0.02)
    return describe_persistence(
        progress, {"epoch": epoch, "val_loss": 0.5, "val_mse": 50}, settings
    )


def test_persistence_is_shown_once_and_compared_halfway() -> None:
    shown = ["persistence (the last input frame repeated): val loss 0.02, mse 2"]
    assert [lines(epoch, 0.01) for epoch in range(1, 7)] == [shown, [], [], [], [], []]
    found = [lines(epoch, 0.02) for epoch in range(1, 7)]
    (warning,) = found.pop(2)
    assert found == [shown, [], [], [], []]
    assert warning == (
        "warning: no epoch is better than persistence: the best val loss is 0.02, that of "
        "repeating the last input frame 0.02; try --recipe stepwise, more "
        "training (--epochs 12), or a lower --lr"
    )
    stepwise = TrainSection(epochs=6, recipe="stepwise")
    assert "; try more training (--epochs 12), or" in lines(3, 0.02, stepwise)[0]


def test_progress_bar_shows_loss_rate_speed_and_best() -> None:
    first = describe_step(Progress(), 20, 0.01234567, 0.00012, 0.0512)
    assert first == "epoch 1/20  loss 0.0123  lr 0.00012  0.0512 samples/s"
    later = Progress(epoch=99, best_loss=0.000949, history=[{"epoch": 99}])
    line = describe_step(later, 100, 0.00094876, 9.93e-05, 12345.6)
    assert line == (
        "epoch 100/100  loss 0.000949  best val loss 0.000949  lr 9.9e-05  12346 samples/s"
    )


def kept(*epochs: list[float]) -> list[float]:
    """The losses of windows in each epoch, and whether its weights are kept."""
    progress = Progress()
    for losses in epochs:
        progress.complete_epoch({"epoch": progress.epoch + 1, "val_loss": np.mean(losses)}, losses)
    return [row["kept"] for row in progress.history]


def test_latest_weights_are_kept_unless_an_earlier_epoch_is_surely_better() -> None:
    # Differences of 3, 1, 1 and -1: mean 1, standard error sqrt(8 / 3 / 4) = 0.816.
    assert kept([3, 4, 5, 6], [6, 5, 6, 5]) == [1, 0]
    # Differences of 4, 1, 1 and -2: mean 1, standard error sqrt(18 / 3 / 4) = 1.22.
    assert kept([3, 4, 5, 6], [7, 5, 6, 4]) == [1, 1]
    # Always compared with the best so far, so that small steps do not add up.
    assert kept([3, 4], [2.9, 4.2], [2.9, 4.3], [3.1, 4.3]) == [1, 1, 1, 0]
    assert kept([3, 4], [2, 3], [2, 3]) == [1, 1, 1]
    assert kept([3], [4], [2]) == [1, 0, 1]  # one window has no standard error


@pytest.mark.parametrize("is_worse", [True, False])
def test_run_that_does_not_beat_persistence_ends_with_a_warning(
    data: Path, simvp: Simvp, is_worse: bool
) -> None:
    """An untrained network beats persistence of noise, but not of frames that hardly change."""
    for sample in data.iterdir() if is_worse else ():
        first = np.load(sample / "0.npy")
        for file in sample.glob("*.npy"):
            np.save(file, 0.99 * first + 0.01 * np.load(file))
    simvp("split", "data")
    rates = ("--lr", "1e-9", "--set", "train.muon_lr=1e-9", "--epochs", "2")
    result = simvp("train", "--data-path", "data", *TINY, *rates)
    segments = read_split(data).segments("validation")
    val_set = WindowDataset(segments, window=7, stride=4, scaling=None)
    frames = np.stack([val_set[i].numpy() for i in range(len(val_set))]).astype(np.float64)
    expected = np.mean((frames[:, 3:] - frames[:, 2:3]) ** 2)
    latest = checkpoint.load(Path("work_dirs/default/checkpoints/latest.pth"))
    assert latest["progress"]["persistence_loss"] == pytest.approx(expected, rel=1e-6)
    shown = f"val loss {expected:.4g}, mse {99 * expected:.4g}"
    assert result.stdout.count("persistence (the last input frame repeated): " + shown) == 1
    # Halfway and at the end.
    warning = f"of repeating the last input frame {expected:.4g}; try --recipe stepwise"
    assert result.stdout.count(warning) == 2 * is_worse


def test_stepwise_run_starts_at_persistence(split_data: Path, simvp: Simvp) -> None:
    rates = ("--lr", "1e-30", "--set", "train.muon_lr=1e-30", "--recipe", "stepwise")
    simvp("train", "--data-path", "data", *TINY, *rates, "--epochs", "1")
    progress = checkpoint.load(Path("work_dirs/default/checkpoints/latest.pth"))["progress"]
    assert progress["best_loss"] == progress["persistence_loss"] > 0.1
