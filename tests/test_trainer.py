import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, Simvp

from simvp.engine.learner import Learner
from simvp.storage import checkpoint


def state(run: Path) -> dict[str, Any]:
    """All that a run ends with: the last training checkpoint, the best weights, the history."""
    return {
        "last": checkpoint.load(run / "checkpoints" / "latest.pth"),
        "best": checkpoint.load(run / "simvp_model.pth"),
        "history": (run / "metrics.csv").read_text(),
    }


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Bitwise equality of nested containers of tensors."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Make the process receive a signal during a step, counted from 1."""

    def install(step: int, signum: int) -> None:
        count = 0
        original = Learner.step

        def counting(*arguments: Any, **options: Any) -> torch.Tensor:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signum)
            return original(*arguments, **options)

        monkeypatch.setattr(Learner, "step", counting)

    return install


TRAIN = ("train", "--data-path", "data", "--epochs", "4", *TINY)


@pytest.mark.parametrize("step", [1, 3, 5, 9])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_and_resumed_is_bitwise_the_uninterrupted_run(
    split_data: Path, simvp: Simvp, stop_after: Any, step: int, signum: int, code: int
) -> None:
    simvp(*TRAIN, "--name", "straight")
    stop_after(step, signum)
    result = simvp(*TRAIN, "--name", "stopped", code=code)
    assert "saved; continue with `simvp train --name stopped --resume`" in result.stderr
    simvp("train", "--name", "stopped", "--resume")
    runs = split_data.parent / "work_dirs"
    assert_same(state(runs / "straight"), state(runs / "stopped"))


def test_augmented_and_periodic_a_resumed_run_is_bitwise_the_same(
    split_data: Path, simvp: Simvp, stop_after: Any
) -> None:
    (split_data / "dataset.toml").write_text(
        "boundary_x = 'periodic'\nboundary_y = 'periodic'\nsymmetries = ['roll', 'flip_x']\n"
    )
    result = simvp(*TRAIN, "--name", "straight")
    assert "boundary periodic,periodic; augmented by roll,flip_x" in result.stdout
    stop_after(5, signal.SIGINT)
    simvp(*TRAIN, "--name", "stopped", code=130)
    simvp("train", "--name", "stopped", "--resume")
    runs = split_data.parent / "work_dirs"
    assert_same(state(runs / "straight"), state(runs / "stopped"))


def test_without_the_random_states_a_resumed_run_differs(
    split_data: Path, simvp: Simvp, stop_after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: it would notice."""
    simvp(*TRAIN, "--name", "straight")
    stop_after(3, signal.SIGINT)
    simvp(*TRAIN, "--name", "stopped", code=130)
    monkeypatch.setattr("torch.set_rng_state", lambda state: None)
    simvp("train", "--name", "stopped", "--resume")
    runs = split_data.parent / "work_dirs"
    with pytest.raises(AssertionError):
        assert_same(state(runs / "straight"), state(runs / "stopped"))


def test_two_runs_of_one_seed_are_bitwise_the_same(split_data: Path, simvp: Simvp) -> None:
    for name in ("a", "b"):
        simvp(*TRAIN, "--name", name)
    simvp(*TRAIN, "--name", "c", "--seed", "1")
    a, b, c = (state(split_data.parent / "work_dirs" / name) for name in "abc")
    assert_same(a, b)
    assert a["history"] != c["history"]


def test_the_loss_falls(split_data: Path, simvp: Simvp) -> None:
    drop = [*TINY, "--set", "model.drop=0.0", "--set", "model.drop_path=0.0"]
    simvp("train", "--data-path", "data", "--epochs", "25", "--lr", "1e-2", *drop)
    history = np.genfromtxt("work_dirs/default/metrics.csv", delimiter=",", names=True)
    first, last = history["train_loss"][[0, -1]]
    # The frames are noise of variance 1/12 about 1/2: no forecast can do better.
    assert 1 / 12.5 < last < 0.8 * first


def test_the_best_model_is_the_one_of_the_lowest_validation_loss(trained: Path) -> None:
    latest = checkpoint.load(trained / "checkpoints" / "latest.pth")
    losses = [row["val_loss"] for row in latest["progress"]["history"]]
    assert latest["progress"]["best_loss"] == min(losses)
    if losses[-1] == min(losses):
        assert_same(dict(latest["model"]), checkpoint.load(trained / "simvp_model.pth"))


def test_a_resumed_finished_run_stays_as_it_is(trained: Path, simvp: Simvp) -> None:
    before = state(trained)
    assert "already complete" in simvp("train", "--resume").stdout
    assert_same(before, state(trained))


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for(trained: Path, simvp: Simvp) -> None:
    simvp("train", "--resume", "--epochs", "4")
    history = np.genfromtxt(trained / "metrics.csv", delimiter=",", names=True)
    assert history["epoch"].tolist() == [1, 2, 3, 4]


def test_resume_without_a_run_says_so_and_starts_one(split_data: Path, simvp: Simvp) -> None:
    result = simvp("train", "--data-path", "data", "--epochs", "1", "--resume", *TINY)
    assert "nothing to resume" in result.stdout


def test_a_run_is_not_resumed_with_another_network(trained: Path, simvp: Simvp) -> None:
    result = simvp("train", "--resume", "--set", "model.hid_S=6", code=2)
    assert "model.hid_S was 4, now 6" in result.stderr


def test_a_run_is_not_overwritten_unless_asked(trained: Path, simvp: Simvp) -> None:
    before = state(trained)
    result = simvp("train", "--data-path", "data", "--epochs", "1", *TINY, code=2)
    for way_out in ("--resume", "--name", "--overwrite"):
        assert way_out in result.stderr
    assert_same(before, state(trained))
    simvp("train", "--data-path", "data", "--epochs", "1", "--overwrite", *TINY)
    assert len((trained / "metrics.csv").read_text().splitlines()) == 2


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(
    split_data: Path, simvp: Simvp
) -> None:
    result = simvp(*TRAIN, "--lr", "1e30", code=1)
    assert "the loss or its gradient is not finite (samples: " in result.stderr
    assert "abc_wave_" in result.stderr


def test_checkpoints_come_at_their_interval_and_at_the_end(split_data: Path, simvp: Simvp) -> None:
    simvp(*TRAIN, "--checkpoint-interval", "3")
    folder = split_data.parent / "work_dirs" / "default" / "checkpoints"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["epoch_3.pth", "epoch_4.pth", "latest.pth", "previous.pth"]


@pytest.mark.parametrize("lr", ["1e10", "1e38"])
def test_update_that_overflows_is_not_saved(split_data: Path, simvp: Simvp, lr: str) -> None:
    """Loss and gradients are finite, and then the updated weights are not usable."""
    options = ["--lr", lr, "--set", f"train.muon_lr={lr}", "--epochs", "3"]
    result = simvp("train", "--data-path", "data", *TINY, *options, code=1)
    assert "not finite" in result.stderr and "training stopped" in result.stderr
    assert "best" not in result.stdout
    run = Path("work_dirs/default")
    assert not (run / "simvp_model.pth").exists()
    assert list((run / "checkpoints").iterdir()) == []
