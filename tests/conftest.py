"""Fixtures: small data sets and networks for complete runs in about a second."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from simvp.cli import app
from simvp.simulators import boiling

GOLDEN = Path(__file__).parent / "golden"

# At these sizes one thread is fastest, here and in subprocesses.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# Typer wraps help and error messages at the width of the terminal.
os.environ["COLUMNS"] = "100"

# A fast network. Dropout and an incomplete last batch make exact resuming non-trivial.
TINY = [
    *("--pre-seq-length", "3", "--aft-seq-length", "4", "--batch-size", "3"),
    *("--set", "model.hid_S=4", "--set", "model.hid_T=8", "--set", "model.N_S=2"),
    *(
        "--set",
        "data.stride=7",
        "--set",
        "model.N_T=2",
        "--set",
        "model.drop=0.2",
        "--set",
        "model.drop_path=0.2",
    ),
]

Simvp = Callable[..., Any]  # returns click's Result: exit_code, stdout, stderr


@pytest.fixture
def simvp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simvp:
    """Run the command line in an empty working directory and check its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def write_sample(
    folder: Path, seed: int, *, frames: int = 8, size: tuple[int, int] = (9, 11)
) -> None:
    """Write a sample of random frames; unequal axis lengths reveal swapped axes."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(frames):
        np.save(folder / f"{number}.npy", rng.random((1, *size), dtype=np.float32))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with 11 samples of 8 frames, 9x11."""
    for index in range(11):
        write_sample(tmp_path / "data" / f"{index:02}abc_wave_{index}", index)
    return tmp_path / "data"


@pytest.fixture
def split_data(data: Path, simvp: Simvp) -> Path:
    """The folder `data` with a split file: 7 training, 2 validation and 2 test samples."""
    simvp("split", "--data-path", "data", "--train-ratio", "0.65", "--val-ratio", "0.2")
    return data


@pytest.fixture
def trained(split_data: Path, simvp: Simvp) -> Path:
    """The folder of a run of two epochs on `split_data`."""
    simvp("train", "--data-path", "data", "--epochs", "2", *TINY)
    return split_data.parent / "work_dirs" / "default"


@pytest.fixture
def trajectory() -> np.ndarray:
    """Boiling simulation on an 8x8 grid, (6, 1, 8, 8)."""
    initial = boiling.initial_state(8, np.random.default_rng(0))
    return boiling.simulate(initial, frames=6, increment=10.0)


_tallies: dict[str, list[bool]] = {}


@pytest.fixture
def tally() -> Callable[[str, bool], None]:
    """Count a fault and whether the run survived it; fails if it did not."""

    def count(fault: str, survived: bool) -> None:
        _tallies.setdefault(fault, []).append(survived)
        assert survived, fault

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of `make soak`."""
    if _tallies:
        terminalreporter.write_line("| fault | tried | survived |")
        terminalreporter.write_line("|---|---:|---:|")
        for fault, outcomes in _tallies.items():
            terminalreporter.write_line(f"| {fault} | {len(outcomes)} | {sum(outcomes)} |")
