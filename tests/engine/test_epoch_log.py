"""What a run writes about each epoch: time, speed and memory, and TensorBoard events."""

import csv
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import OFTEN, TINY, TRAIN, Simvp, assert_same, run_state
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from simvp.engine import epoch_log, trainer
from simvp.engine.learner import Learner
from simvp.engine.state import State
from simvp.storage import checkpoint

RUN = Path("work_dirs/default")
EVENTS = ("--set", "run.tensorboard=true")
MEASURED = ("seconds", "samples_per_second", "peak_memory")

Rows = list[dict[str, str]]


def rows(run: Path = RUN) -> Rows:
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time at which a step takes 1 second, a validation 2, and a checkpoint 10."""
    now = 0.0

    def takes(seconds: float, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            nonlocal now
            now += seconds
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, timed)

    takes(1, Learner, "step")
    takes(2, trainer, "validate")
    takes(10, State, "capture")
    monkeypatch.setattr(epoch_log, "time", SimpleNamespace(monotonic=lambda: now))


def interrupt_in_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a signal in the fifth step; an epoch has three."""
    original, steps = Learner.step, []

    def step(*arguments: Any, **options: Any) -> Any:
        steps.append(1)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(Learner, "step", step)


@pytest.mark.parametrize("interrupted", [False, True])
def test_time_is_that_of_training_and_validation_without_checkpoints(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch, clock: None, interrupted: bool
) -> None:
    """Four epochs of seven windows in three steps; an interrupted epoch has all of its steps.

    The second one is not validated, which takes two readings of the clock.
    """
    if interrupted:
        interrupt_in_second_epoch(monkeypatch)
    simvp(*TRAIN, *OFTEN, code=130 if interrupted else 0)
    if interrupted:
        simvp("train", "--resume")
    assert [row["seconds"] for row in rows()] == ["5.0", "3.0", "5.0", "5.0"]
    assert [row["samples_per_second"] for row in rows()] == 4 * [str(7 / 3)]


def test_time_and_memory_are_plausible(split_data: Path, simvp: Simvp) -> None:
    started = time.monotonic()
    simvp("train", "--data-path", "data", "--epochs", "2", *TINY)
    elapsed = time.monotonic() - started
    first, second = ({name: float(row[name]) for name in MEASURED} for row in rows())
    assert 0 < first["seconds"] + second["seconds"] < elapsed
    assert first["samples_per_second"] > 7 / first["seconds"]  # validation also takes time
    assert 50 < first["peak_memory"] <= second["peak_memory"] < 50_000  # MB


def forget_measured(run: Path) -> None:
    """Make the run one of a version that did not measure."""
    content = checkpoint.load(run / "checkpoints" / "latest.pth")
    for row in content["progress"]["history"]:
        for name in MEASURED:
            del row[name]
    for local_state in content["per_rank"]:
        del local_state["loss"]["seconds"]
    checkpoint.save_training(run / "checkpoints", checkpoint.LATEST, content)


def test_run_of_an_earlier_version_resumes_and_is_reported(trained: Path, simvp: Simvp) -> None:
    forget_measured(trained)
    simvp("train", "--resume", "--epochs", "3", "--test")
    found = rows()
    assert [[row[name] == "" for name in MEASURED] for row in found] == 2 * [3 * [True]] + [
        3 * [False]
    ]
    assert list(found[0])[-3:] == list(MEASURED)
    assert all(float(row["val_loss"]) > 0 for row in found)
    simvp("viz", "--report")
    seconds = float(found[2]["seconds"])
    page = (trained / "report.html").read_text()
    assert f"0 min {seconds:.0f} s for 1 of 3 epochs" in page


def test_epoch_that_an_earlier_version_began_has_no_time(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_in_second_epoch(monkeypatch)
    simvp(*TRAIN, code=130)
    forget_measured(RUN)
    simvp("train", "--resume")
    empty = [[row[name] == "" for name in MEASURED] for row in rows()]
    assert empty == [[True] * 3, [True, True, False], [False] * 3, [False] * 3]


def test_report_has_the_training_time(trained: Path, simvp: Simvp) -> None:
    text = (trained / "metrics.csv").read_text().splitlines()
    column = text[0].split(",").index("seconds")
    cells = [line.split(",") for line in text]
    cells[1][column], cells[2][column] = "3605.25", "100"
    (trained / "metrics.csv").write_text("".join(",".join(row) + "\n" for row in cells))
    simvp("test")
    simvp("viz", "--report")
    assert "1 h 1 min<" in (trained / "report.html").read_text()


def check_events(run: Path) -> None:
    """The events, as TensorBoard reads them, are the rows of metrics.csv."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    expected = rows(run)
    assert {*events.Tags()["scalars"]} == {*expected[0]} - {"epoch"}
    for name in events.Tags()["scalars"]:
        found = [(event.step, event.value) for event in events.Scalars(name)]
        known = [row for row in expected if row[name]]
        assert found == [(int(row["epoch"]), np.float32(row[name])) for row in known], name


def test_events_are_those_of_metrics_csv(split_data: Path, simvp: Simvp) -> None:
    simvp("train", "--data-path", "data", "--epochs", "2", *EVENTS, *TINY)
    check_events(RUN)
    (first,) = (RUN / "tensorboard").iterdir()
    simvp("train", "--resume", *EVENTS)  # is complete
    assert [*(RUN / "tensorboard").iterdir()] == [first]
    simvp("train", "--resume", "--epochs", "4", *EVENTS)
    check_events(RUN)
    assert first.exists() and len([*(RUN / "tensorboard").iterdir()]) == 2


def test_epochs_after_the_last_checkpoint_are_not_shown_twice(
    trained_once: Path, split_data: Path, simvp: Simvp
) -> None:
    rare = ("--checkpoint-interval", "4", "--checkpoint-every-minutes", "0")
    simvp(*TRAIN, *rare, *EVENTS)
    latest = RUN / "checkpoints" / "latest.pth"
    (RUN / "checkpoints" / "previous.pth").replace(latest)  # of epoch 1
    simvp("train", "--resume", *EVENTS)
    assert len([*(RUN / "tensorboard").iterdir()]) == 2
    check_events(RUN)
    assert_same(run_state(trained_once / "straight" / RUN)["best"], run_state(RUN)["best"])


def test_missing_package_is_reported_before_anything_is_written(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    for options in ((), ("--nproc", "2")):
        result = simvp("train", "--data-path", "data", *EVENTS, *options, *TINY, code=2)
        assert result.stderr == (
            "error: run.tensorboard = true: requires the package tensorboard; install it with "
            "`pip install 'simvp[tensorboard]'`, or leave the setting out\n"
        )
        assert not Path("work_dirs").exists()


def test_overwriting_removes_only_events_of_the_run(split_data: Path, simvp: Simvp) -> None:
    train = ("train", "--data-path", "data", "--epochs", "1", *TINY)
    simvp(*train, *EVENTS)
    foreign = RUN / "tensorboard" / "events.out.tfevents.17.host.1.0"
    foreign.write_text("of another program")
    result = simvp(*train, "--overwrite", code=2)
    assert "simvp did not write (tensorboard/events.out.tfevents.17.host.1.0)" in result.stderr
    assert foreign.read_text() == "of another program"
    foreign.unlink()
    simvp(*train, "--overwrite")
    assert not (RUN / "tensorboard").exists()
