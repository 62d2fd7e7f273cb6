"""Losses against hand-computed values, and the effect of `train.loss`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TRAIN, Simvp, run_state

from simvp.engine import losses
from simvp.engine.trainer import Trainer
from simvp.errors import ConfigError

ERRORS = torch.tensor([[0.05, -0.3, 0.0], [0.1, 1.5, -0.1]])

# Quadratic: e^2 / 2; linear beyond 0.1: 0.1 (|e| - 0.05).
BY_HAND = {
    "mse": (0.0025 + 0.09 + 0.0 + 0.01 + 2.25 + 0.01) / 6,
    "mae": (0.05 + 0.3 + 0.0 + 0.1 + 1.5 + 0.1) / 6,
    "huber": (0.00125 + 0.025 + 0.0 + 0.005 + 0.145 + 0.005) / 6,
}


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loss_matches_hand_computed_values(name: str) -> None:
    true = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    value = losses.load(name)(true + ERRORS, true)
    assert value.shape == ()
    assert float(value) == pytest.approx(BY_HAND[name], rel=1e-5)
    assert losses.load(name)(true, true) == 0


def test_default_loss_is_bitwise_equal_to_pytorch() -> None:
    forecast, true = torch.rand(2, 3, 1, 5, 7), torch.rand(2, 3, 1, 5, 7)
    expected = torch.nn.functional.mse_loss(forecast, true)
    assert torch.equal(losses.load("mse")(forecast, true), expected)


def test_unknown_loss_is_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        losses.load("mes")
    assert str(caught.value) == (
        "train.loss = 'mes': unknown loss; choose one of mse, mae, huber. "
        "Did you mean 'mse' or 'mae'?"
    )


def test_unknown_loss_is_refused_before_files_are_written(split_data: Path, simvp: Simvp) -> None:
    result = simvp(*TRAIN, "--set", "train.loss=hubr", code=2)
    assert "unknown loss" in result.stderr and "Did you mean 'huber'?" in result.stderr
    assert not Path("work_dirs").exists()


def test_loss_affects_training_and_cannot_change_on_resume(split_data: Path, simvp: Simvp) -> None:
    one_epoch = (*TRAIN, "--epochs", "1")
    histories = {}
    for name in losses.LOSSES:
        simvp(*one_epoch, "--name", name, "--set", f"train.loss={name}")
        histories[name] = np.genfromtxt(f"work_dirs/{name}/metrics.csv", delimiter=",", names=True)
    first = [run_state(Path("work_dirs", name))["best"] for name in losses.LOSSES]
    weight = "decoder.readout.weight"
    assert not any(torch.equal(first[0][weight], other[weight]) for other in first[1:])
    # The validation loss is the mse per cell for all losses; frames have 9x11 cells.
    for history in histories.values():
        assert float(history["val_loss"]) == pytest.approx(float(history["val_mse"]) / 99)
    # Random frames have errors of about 0.3.
    train = {name: float(history["train_loss"]) for name, history in histories.items()}
    assert train["huber"] < train["mse"] < train["mae"]
    refused = simvp("train", "--name", "mae", "--resume", "--set", "train.loss=mse", code=2)
    assert "train.loss was mae, now mse" in refused.stderr


def test_checkpoint_without_recorded_loss_counts_as_mse(
    trained: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.resume

    def without_loss(trainer: Trainer, content: dict) -> None:  # as version 1 wrote it
        del content["made_with"]["train.loss"]
        original(trainer, content)

    monkeypatch.setattr(Trainer, "resume", without_loss)
    simvp("train", "--resume", "--epochs", "3")
    refused = simvp("train", "--resume", "--set", "train.loss=mae", code=2)
    assert "train.loss was mse, now mae" in refused.stderr
