"""Fixtures: small data sets and runs."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY, TRAIN, Simvp, run_simvp, write_sample

from simvp.engine.learner import Learner

# At these sizes one thread is fastest, here and in subprocesses.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# Typer wraps help and error messages at the width of the terminal.
os.environ["COLUMNS"] = "100"


@pytest.fixture
def simvp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simvp:
    """Run the command line in an empty working directory and check its exit code."""
    monkeypatch.chdir(tmp_path)
    return run_simvp


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directories, made once: one for each fixture below, and one of a run of `TRAIN`."""
    folders = tmp_path_factory.mktemp("shared")

    def step(name: str, *arguments: str, after: str = "") -> None:
        if after:
            copy(folders / after, folders / name)
        with contextlib.chdir(folders / name):
            run_simvp(*arguments)

    for index in range(11):
        write_sample(folders / "data" / "data" / f"{index:02}abc_wave_{index}", index)
    ratios = ("--train-ratio", "0.65", "--val-ratio", "0.2")
    step("split_data", "split", "--data-path", "data", *ratios, after="data")
    step("trained", "train", "--data-path", "data", "--epochs", "2", *TINY, after="split_data")
    step("tested", "test", after="trained")
    step("straight", *TRAIN, after="split_data")
    return folders


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its file times and hard links."""
    copies: dict[int, Path] = {}

    def copy_file(file: str, destination: str) -> None:
        inode = os.stat(file).st_ino
        if inode in copies:
            os.link(copies[inode], destination)
        else:
            copies[inode] = Path(shutil.copy2(file, destination))

    shutil.copytree(source, target, copy_function=copy_file, dirs_exist_ok=True)


@pytest.fixture
def data(trained_once: Path, tmp_path: Path) -> Path:
    """A data folder with 11 samples of 8 frames, 9x11."""
    copy(trained_once / "data", tmp_path)
    return tmp_path / "data"


@pytest.fixture
def split_data(trained_once: Path, tmp_path: Path, simvp: Simvp) -> Path:
    """The folder `data` with a split file: 7 training, 2 validation and 2 test samples."""
    copy(trained_once / "split_data", tmp_path)
    return tmp_path / "data"


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, simvp: Simvp) -> Path:
    """The folder of a run of two epochs on `split_data`, with `TINY`."""
    copy(trained_once / "trained", tmp_path)
    return tmp_path / "work_dirs" / "default"


@pytest.fixture
def tested(trained_once: Path, tmp_path: Path, simvp: Simvp) -> Path:
    """The folder of the run `trained` after `simvp test`."""
    copy(trained_once / "tested", tmp_path)
    return tmp_path / "work_dirs" / "default"


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


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str, bool], None]:
    """Count a fault and whether the run survived it; fails if it did not."""

    def count(fault: str, survived: bool) -> None:
        record_property(fault, survived)
        assert survived, fault

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of `make soak`, whose tests may run in several processes."""
    stats = terminalreporter.stats
    outcomes: dict[str, list[object]] = {}
    for report in sorted(
        [*stats.get("passed", []), *stats.get("failed", [])],
        key=lambda report: (report.location[0], report.location[1] or 0),
    ):
        for fault, survived in report.user_properties if report.when == "call" else ():
            outcomes.setdefault(fault, []).append(survived)
    if outcomes:
        terminalreporter.write_line("| fault | tried | survived |")
        terminalreporter.write_line("|---|---:|---:|")
        for fault, survived in outcomes.items():
            terminalreporter.write_line(
                f"| {fault} | {len(survived)} | {sum(map(bool, survived))} |"
            )
