"""`simvp train --minutes`: the epochs that fit, by timing training steps."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import TINY, Simvp

from simvp.commands import minutes
from simvp.config import Config, read_layer
from simvp.engine.learner import Learner

TRAIN = ("train", "--data-path", "data", *TINY)
CONFIG = Path("work_dirs/default/config.toml")


@pytest.fixture
def one_second_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that training takes a second per window, and is done at once."""
    monkeypatch.setattr(minutes, "_timed", lambda config, data: 1.0)


def epochs() -> int:
    found: int = read_layer(CONFIG).tables["train"]["epochs"]
    return found


def test_epochs_fit_into_the_time(
    split_data: Path, simvp: Simvp, one_second_a_window: None
) -> None:
    """A validation takes 7 + 2 x 2 passes of the 3 x 2 of a training window, 11 / 6 s. In seven
    epochs there are four, 7 x 7 + 4 x 11 / 6 = 56.3 s, in eight five, 65.2 s.
    """
    result = simvp(*TRAIN, "--minutes", "1", "--set", "train.val_interval=3")
    assert (
        "minutes 1: timing some training steps\n7 epochs of 7 windows, at 1e+03 ms per window of "
        "the direct recipe; validation included\n" in result.stdout
    )
    assert epochs() == 7


def test_minutes_are_those_of_a_whole_ensemble(
    split_data: Path, simvp: Simvp, one_second_a_window: None
) -> None:
    """Two members have half of the time each."""
    more = ("--members", "2", "--set", "train.val_interval=3")
    assert "\n7 epochs of 7 windows" in simvp(*TRAIN, "--minutes", "2", *more).stdout


def test_the_network_of_given_weights_is_timed(
    trained: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = []

    def seconds(config: Config, data: object) -> float:
        timed.append(config.model.model_type)
        return 1.0

    monkeypatch.setattr(minutes, "_timed", seconds)
    command = [*TRAIN, "--minutes", "1", "--name", "tuned", "--model-type", "auto"]
    simvp(*command, "--init-from", str(trained / "simvp_model.pth"))
    assert timed == ["gsta"]


def test_many_epochs_are_counted_at_once(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of epochs of 7 ms each; the command stops before it trains them."""
    monkeypatch.setattr(minutes, "_timed", lambda config, data: 1e-3)
    monkeypatch.setattr("simvp.commands.trials.plan_or_choice", lambda *a, **k: sys.exit(3))
    started = time.monotonic()
    found = simvp(*TRAIN, "--minutes", "60", code=3).stdout
    assert time.monotonic() - started < 60
    # Of 7 ms each, and 11 / 6 ms for every other one and the last.
    assert 400_000 < int(found.split("steps\n")[1].split(" epochs")[0]) < 3600 / 0.007


def test_part_of_an_epoch_fits(split_data: Path, simvp: Simvp, one_second_a_window: None) -> None:
    """There are 14 windows, and a validation takes (14 + 2 x 2) / 6 = 3 s: 16.8 s pay for 13."""
    small = (*TRAIN, "--batch-size", "1", "--set", "data.stride=1")
    assert "1 epoch of 13 windows" in simvp(*small, "--minutes", "0.28").stdout
    assert (epochs(), read_layer(CONFIG).tables["train"]["windows_per_epoch"]) == (1, 13)
    refused = simvp(*small, "--minutes", "0.2", "--name", "short", code=2).stderr
    assert "--minutes = 0.2: is too short for 10 training steps" in refused
    assert not Path("work_dirs/short").exists()


def test_time_of_a_run_is_kept(split_data: Path, simvp: Simvp, one_second_a_window: None) -> None:
    """The same command resumes; another time is refused, more epochs are not."""
    simvp(*TRAIN, "--minutes", "1")
    before = epochs()
    assert "already complete" in simvp(*TRAIN, "--minutes", "1", "--resume").stdout
    refused = simvp(*TRAIN, "--minutes", "2", "--resume", code=2).stderr
    assert f"has {before} epochs, chosen when it began for 1 minutes; leave out" in refused
    simvp("train", "--resume", "--epochs", str(before + 1))
    assert epochs() == before + 1


def test_processes_of_torchrun_are_refused(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    result = simvp(*TRAIN, "--minutes", "1", code=2)
    assert "--minutes = 1: torchrun or Slurm started this process" in result.stderr


def test_timed_steps_leave_the_training_as_it_is(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has the results of one with the same epochs, and the time is that of a step."""
    original, steps = Learner.step, []

    def slow(self: Learner, *arguments: object, **options: object) -> object:
        steps.append(options["lr_factor"])
        time.sleep(0.05)
        return original(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "step", slow)
    result = simvp(*TRAIN, "--minutes", "0.05", "--name", "timed")
    assert steps[:7] == 7 * [0.0] and steps[7] > 0
    milliseconds = float(result.stdout.split(" ms per window")[0].split()[-1])
    assert 50 / 3 < milliseconds < 500  # of a step of three windows
    found = read_layer(Path("work_dirs/timed/config.toml")).tables["train"]["epochs"]
    simvp(*TRAIN, "--epochs", str(found), "--name", "plain")
    weights = [
        Path(f"work_dirs/{name}/simvp_model.pth").read_bytes() for name in ("timed", "plain")
    ]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_share_the_choice(split_data: Path, simvp: Simvp) -> None:

    command = [sys.executable, "-m", "simvp", *TRAIN, "--minutes", "0.2", "--nproc", "2"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert f"\n{epochs()} epochs of 7 windows, at" in result.stdout
