"""`simvp train --recipe auto`: the choice, its record, and resuming."""

import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import OFTEN, TINY, Simvp, assert_same, kill_when, run_state

from simvp.commands import fitting
from simvp.config import read_layer
from simvp.engine import Trainer
from simvp.engine.history import Progress

# Two trials of twelve and thirteen steps.
AUTO = (
    *("train", "--data-path", "data", *TINY, "--set", "data.stride=1", "--set", "model.N_T=2"),
    *("--recipe", "auto", "--epochs", "20"),
)
RUN = Path("work_dirs/default")


def record(run: Path = RUN) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "trials" / "trials.json").read_text())
    return content


def states(run: Path) -> dict[str, Any]:
    """The results of the run and of its trials."""
    trials = {path.name: run_state(path) for path in (run / "trials").iterdir() if path.is_dir()}
    return {"run": run_state(run), "trials": trials, "record": record(run)}


@pytest.fixture(scope="module")
def once() -> dict[str, Any]:
    """What was computed once for several tests."""
    return {}


@pytest.fixture
def straight(once: dict[str, Any], split_data: Path, simvp: Simvp) -> dict[str, Any]:
    """The results of a run that was not interrupted, and its output."""
    if not once:
        output = simvp(*AUTO, "--name", "straight").stdout
        once.update(states=states(Path("work_dirs/straight")), output=output)
        once["config"] = read_layer(Path("work_dirs/straight/config.toml")).tables
    return once


def test_the_trial_of_lowest_validation_loss_is_chosen(straight: dict[str, Any]) -> None:
    found, config = straight["states"]["record"], straight["config"]
    losses = {}
    for name, state in straight["states"]["trials"].items():
        rows = [row for row in state["history"] if row["val_loss"]]
        losses[name] = min(float(row["val_loss"]) for row in rows)
        assert found["trials"][name]["validation_loss"] == losses[name]
        said = f"trial of {name}: val loss {losses[name]:.4g} (persistence "
        assert said in straight["output"]
    assert losses.keys() == {"direct", "stepwise_2"}
    assert found["choice"]["trial"] == min(losses, key=lambda name: losses[name])
    assert f"chosen: {found['choice']['trial']} (" in straight["output"]
    for key, value in found["choice"]["settings"].items():
        section, name = key.split(".")
        assert config[section][name] == value
    spent = sum(trial["activations"] for trial in found["trials"].values())
    assert 0 < spent <= 0.25 * found["activations"]
    assert spent + found["choice"]["activations"] <= found["activations"]


@pytest.mark.parametrize("winner", ["direct", "stepwise_2", "stepwise_4"])
def test_any_recipe_can_win(
    winner: str, split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is trained with the settings of the winner, whatever the trial was called."""
    trained = []

    def fit(config: Any, folder: Any, *others: Any, **options: Any) -> Progress:
        name = folder.path.name
        trained.append((name, config.model.block_frames, config.train.recipe))
        row = {"epoch": 1, "val_loss": 0.5, "val_mse": 1.0}
        loss = 0.25 if name == winner else 0.5
        return Progress(1, best_loss=loss, persistence_loss=1.0, history=[row])

    monkeypatch.setattr(fitting, "fit", fit)
    (split_data / "dataset.toml").write_text("symmetries = ['flip_x']\n")
    lengths = ("--pre-seq-length", "7", "--aft-seq-length", "1", "--epochs", "99")
    simvp(*AUTO, *lengths)
    blocks = {"direct": 7, "stepwise_2": 2, "stepwise_4": 4}
    recipe = winner.partition("_")[0]
    assert trained == [
        *((name, block, name.partition("_")[0]) for name, block in blocks.items()),
        ("default", blocks[winner], recipe),
    ]


def steps_of(training: dict[str, Any]) -> int:
    """Number of steps of a trial."""
    found = training["settings"]
    windows, batch_size = found["train.windows_per_epoch"], found["train.batch_size"]
    return int(found["train.epochs"] * math.ceil(windows / batch_size))


@pytest.mark.parametrize(
    ("trials", "step", "options"),
    [(0, 4, ()), (1, 0, AUTO[1:]), (2, 1, AUTO[1:]), (2, 2, ())],
    ids=["trial-1", "end-of-trial-1", "run-repeated-command", "run"],
)
def test_resumed_run_is_bitwise_equal(
    straight: dict[str, Any],
    split_data: Path,
    simvp: Simvp,
    stop_after: Callable[[int, int], None],
    trials: int,
    step: int,
    options: tuple[str, ...],
) -> None:
    """Stopped after a number of trials and further steps."""
    done = [*straight["states"]["record"]["trials"].values()][:trials]
    stop_after(sum(map(steps_of, done)) + step, signal.SIGINT)
    result = simvp(*AUTO, "--name", "stopped", code=130)
    assert "continue with `simvp train --name stopped --resume`" in result.stderr
    resumed = simvp("train", *options, "--name", "stopped", "--resume")
    assert ("trial of direct: val loss" in resumed.stdout) == (trials < 2)
    assert_same(straight["states"], states(Path("work_dirs/stopped")))


def test_run_killed_before_its_first_checkpoint_keeps_the_choice(
    straight: dict[str, Any], split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trainer.fit

    def fit(trainer: Trainer) -> None:
        if trainer.folder.path.name == "killed":
            raise KeyboardInterrupt
        trained(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", fit)
        simvp(*AUTO, "--name", "killed", code=130)
        assert "chosen: " not in simvp(*AUTO, "--name", "killed", "--resume", code=130).stdout
    simvp("train", "--name", "killed", "--resume")
    assert_same(straight["states"], states(Path("work_dirs/killed")))


def test_killed_trial_is_resumed(straight: dict[str, Any], split_data: Path, simvp: Simvp) -> None:
    command = [sys.executable, "-m", "simvp", *AUTO, *OFTEN, "--name", "killed"]
    for trial in ("direct", "stepwise_2"):
        saved = Path("work_dirs/killed/trials", trial, "checkpoints", "latest.pth")
        assert kill_when([*command, "--resume"], saved.exists) == -signal.SIGKILL
        assert record(Path("work_dirs/killed"))["choice"] is None
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=240)
    assert_same(straight["states"], states(Path("work_dirs/killed")))
    assert not list(Path("work_dirs/killed").rglob(".simvp-*"))


def test_trials_are_not_resumed_with_other_settings(
    split_data: Path, simvp: Simvp, stop_after: Callable[[int, int], None]
) -> None:
    stop_after(20, signal.SIGINT)
    simvp(*AUTO, code=130)
    for option, changed in (
        (("--lr", "0.1"), "train.lr was auto, now 0.1"),
        (("--epochs", "30"), "train.epochs was 20, now 30"),
    ):
        assert changed in simvp("train", "--resume", *option, code=2).stderr


def test_choice_stays_when_a_run_is_extended(
    straight: dict[str, Any], split_data: Path, simvp: Simvp
) -> None:
    simvp(*AUTO)
    epochs = record()["choice"]["settings"]["train.epochs"]
    result = simvp(*AUTO, "--resume", "--epochs", "30", code=2)
    assert f"for a budget of 20 epochs, of which {epochs} of the chosen" in result.stderr
    longer = simvp("train", "--resume", "--epochs", str(epochs + 1))
    assert f"resuming: {epochs} of {epochs + 1} epochs" in longer.stdout
    assert "trial" not in longer.stdout


def test_overwrite_removes_trials_but_no_other_files(split_data: Path, simvp: Simvp) -> None:
    simvp(*AUTO)
    foreign = RUN / "trials" / "direct" / "notes.txt"
    foreign.write_text("mine")
    train = ("train", "--data-path", "data", *TINY, "--epochs", "1", "--overwrite")
    assert (
        "files that simvp did not write (trials/direct/notes.txt)" in simvp(*train, code=2).stderr
    )
    assert foreign.exists() and (RUN / "trials" / "trials.json").exists()
    foreign.unlink()
    simvp(*train)
    assert not (RUN / "trials").exists()


def test_run_of_an_earlier_version_is_not_replaced(trained: Path, simvp: Simvp) -> None:
    """Its config does not say what a recipe decides, so that there would be something to try."""
    text = (trained / "config.toml").read_text()
    keys = "history|block_frames|target|recipe|rollout|rollout_share"
    old_text, count = re.subn(rf"^({keys}) = .*\n", "", text, flags=re.MULTILINE)
    assert count == 6
    (trained / "config.toml").write_text(old_text)
    before = run_state(trained)
    refused = simvp(*AUTO, "--resume", code=2)
    assert "has been trained without trials of recipes; resume it without" in refused.stderr
    assert_same(before, run_state(trained))


def test_repeated_command_keeps_the_length_of_the_run(
    straight: dict[str, Any], split_data: Path, simvp: Simvp
) -> None:
    """The epochs of the budget, given again, are no more epochs for the run."""
    simvp(*AUTO, "--name", "again")
    command = [word for word in AUTO if word not in ("--recipe", "direct", "auto")]
    assert "already complete" in simvp(*command, "--name", "again", "--resume").stdout
    assert_same(straight["states"], states(Path("work_dirs/again")))


def test_short_run_is_direct(split_data: Path, simvp: Simvp) -> None:
    result = simvp(*AUTO, "--epochs", "2")
    assert (
        "recipe auto: direct, without trials, because 2 epochs would be too short" in result.stdout
    )
    assert read_layer(RUN / "config.toml").tables["train"]["recipe"] == "direct"
    assert not (RUN / "trials").exists()
    assert "already complete" in simvp(*AUTO, "--epochs", "2", "--resume").stdout


@pytest.mark.parametrize("recipe", ["direct", "stepwise"])
def test_given_weights_keep_their_recipe(recipe: str, split_data: Path, simvp: Simvp) -> None:
    simvp(*AUTO, "--recipe", recipe, "--epochs", "1", "--name", "first")
    weights = ("--init-from", "work_dirs/first/simvp_model.pth")
    assert f"\n{recipe}: " in simvp(*AUTO, *weights).stdout
    assert read_layer(RUN / "config.toml").tables["train"]["recipe"] == recipe
    assert not (RUN / "trials").exists()


def test_two_processes_choose_together(split_data: Path, simvp: Simvp) -> None:
    command = [sys.executable, "-m", "simvp", *AUTO, "--epochs", "40", "--nproc", "2", *OFTEN]
    straight = [*command, "--name", "straight"]
    result = subprocess.run(straight, capture_output=True, text=True, check=True, timeout=240)
    assert result.stdout.count("trial of direct: val loss") == 1
    found = record(Path("work_dirs/straight"))
    assert found["made_with"]["number of processes"] == 2
    killed = [*command, "--name", "killed", "--resume"]
    saved = Path("work_dirs/killed/trials/stepwise_2/checkpoints/latest.pth")
    assert kill_when(killed, saved.exists) == -signal.SIGKILL
    subprocess.run(killed, capture_output=True, check=True, timeout=240)
    assert_same(*(states(Path("work_dirs", name)) for name in ("straight", "killed")))
