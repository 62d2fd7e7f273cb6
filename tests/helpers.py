"""Constants and functions that several test modules use."""

import csv
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typer.testing import CliRunner

import simvp
from simvp.cli import app
from simvp.data import Series
from simvp.data.card import DatasetCard
from simvp.data.description import DataDescription
from simvp.data.scaling import Scaling
from simvp.figures.report.charts import Chart, Line
from simvp.figures.report.contents import (
    Coordinate,
    Page,
    SampleTable,
    Section,
    Trials,
    ViewedSample,
    Viewer,
)
from simvp.progress import Table
from simvp.storage import checkpoint

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"
PACKAGE = Path(simvp.__file__).parent

# A package imports only packages of lower ranks.
RANKS = [
    {"errors", "progress", "physics"},
    {"simulators", "metrics", "models", "figures", "storage"},
    {"config"},
    {"runtime"},
    {"data"},
    {"runs"},
    {"engine"},
    {"commands"},
    {"cli"},
    {"__main__"},
]

# A fast network. Dropout and an incomplete last batch make exact resuming non-trivial.
TINY = [
    *("--pre-seq-length", "3", "--aft-seq-length", "4", "--batch-size", "3"),
    *("--set", "data.stride=7", "--set", "model.hid_S=4", "--set", "model.hid_T=8"),
    *("--set", "model.N_S=2", "--set", "model.N_T=2"),
    *("--set", "model.drop=0.2", "--set", "model.drop_path=0.2", "--recipe", "direct"),
    *("--model-type", "gsta"),
]

# Four epochs of three steps on the samples of the fixture `split_data`.
TRAIN = ("train", "--data-path", "data", "--epochs", "4", *TINY)

# The same training in a separate process.
TRAIN_COMMAND = [sys.executable, "-m", "simvp", *TRAIN]

# Saves a checkpoint at every step, so that a kill can interrupt any operation.
OFTEN = ("--checkpoint-every-minutes", "1e-9", "--checkpoint-interval", "1")

Tally = Callable[[str, bool], None]  # counts a fault and whether it was survived

Simvp = Callable[..., Any]  # returns click's Result: exit_code, stdout, stderr


def run_simvp(*arguments: str, code: int = 0) -> Any:
    """Run the command line in this process and check its exit code."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def squeezed(text: str) -> str:
    """The text of a table with single spaces between its cells."""
    return re.sub(" +", " ", text)


def write_sample(
    folder: Path,
    seed: int,
    *,
    frames: int = 8,
    size: tuple[int, int] = (9, 11),
    channels: int = 1,
) -> None:
    """Write a sample of random frames; unequal axis lengths reveal swapped axes."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(frames):
        np.save(folder / f"{number}.npy", rng.random((channels, *size), dtype=np.float32))


def describe_data(shape: tuple[int, int, int], **others: Any) -> DataDescription:
    """The description of data of this shape, (C, H, W), that are not scaled."""
    zeros, ones = (0.0,) * shape[0], (1.0,) * shape[0]
    return DataDescription(
        channels=tuple(map(str, range(shape[0]))),
        shape=shape,
        scaling=Scaling(zeros, ones),
        stored="physical",
        card=DatasetCard(),
        **others,
    )


@dataclass(frozen=True, kw_only=True)
class MemorySeries(Series):
    """A series that is in memory, (T, C, H, W)."""

    frames: np.ndarray
    frames_per_chunk: int = 1

    @classmethod
    def of(cls, series_id: str, frames: np.ndarray, **entries: Any) -> "MemorySeries":
        channels = tuple(f"channel {i}" for i in range(frames.shape[1]))
        return cls(
            id=series_id, channels=channels, shape=frames.shape[1:], frames=frames, **entries
        )

    @property
    def length(self) -> int:
        return len(self.frames)

    def read_stored(self, start: int, stop: int, step: int = 1) -> np.ndarray:
        return self.frames[start:stop:step].copy()


def only_split(data: Path) -> Path:
    """The split file of a data folder that has one."""
    (path,) = data.glob("*_loaders.json")
    return path


def run_state(run: Path) -> dict[str, Any]:
    """The results of a training, without measured time and memory: last, best and history."""
    last = checkpoint.load(run / "checkpoints" / "latest.pth")
    history = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    for row in [*last["progress"]["history"], *history]:
        for name in ("seconds", "samples_per_second", "peak_memory"):
            assert float(row.pop(name)) > 0
    return {"last": last, "best": checkpoint.load(run / "simvp_model.pth"), "history": history}


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


def laplacian(x: np.ndarray, neighbour: Callable[[int, int], int]) -> np.ndarray:
    """Five-point Laplacian in float64, one cell after the other.

    Args:
        neighbour: maps an index, which may be outside the grid, and a size to an index inside.
    """
    height, width = x.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for di, dj in [(0, 1), (1, 0), (0, -1), (-1, 0)]:
                result[i, j] += x[neighbour(i + di, height), neighbour(j + dj, width)] - x[i, j]
    return result


def kill_when(command: list[str], ready: Any, *, signum: int = signal.SIGKILL) -> int:
    """Start a command, send it a signal once `ready()` is true, and return its exit code."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    try:
        while process.poll() is None and not ready():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signum)
        return process.wait(timeout=120)
    finally:
        process.kill()


def start_program(arguments: list[str]) -> "subprocess.Popen[str]":
    """Start simvp, and return when its first line is about to run.

    A shell starts its background jobs with SIGINT ignored, which the program would keep to.
    """
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from simvp.__main__ import main; print(flush=True); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def wait_for_epoch(process: Any, folder: Path = Path("work_dirs/default")) -> None:
    """Wait until a training process has finished its first epoch."""
    deadline = time.monotonic() + 120
    while not (folder / "metrics.csv").exists():
        assert process.poll() is None, "training exited before the end of its first epoch"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_while_training(command: list[str], folder: Path, delay: float) -> None:
    """Start a training process and kill it `delay` seconds after it has finished an epoch."""
    started = time.time()

    def ready() -> bool:
        histories = [folder / "metrics.csv", *folder.glob("members/*/metrics.csv")]
        if all(not file.exists() or file.stat().st_mtime < started for file in histories):
            return False
        time.sleep(delay)
        return True

    code = kill_when(command, ready)
    assert code == -signal.SIGKILL, "training finished before it was killed"


def check_kill_and_resume(
    nproc: int, epochs: int, kills: int, longest: float, members: int = 1
) -> None:
    """Kill and resume a run `kills` times; the result must be bitwise equal."""
    options = ["--nproc", str(nproc), "--epochs", str(epochs), "--members", str(members)]
    straight = [*TRAIN_COMMAND, *options, "--name", "straight"]
    subprocess.run(straight, check=True, capture_output=True, timeout=900)
    command = [*TRAIN_COMMAND, *options, *OFTEN, "--name", "killed", "--resume"]
    killed, rng = Path("work_dirs/killed"), random.Random(nproc)
    for _ in range(kills):
        kill_while_training(command, killed, rng.uniform(0.0, longest))
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    for member in ["", *(f"members/{number}" for number in range(2, members + 1))]:
        assert_same(run_state(Path("work_dirs/straight") / member), run_state(killed / member))
    assert not list(killed.rglob(".simvp-*"))


# Text that would add an element or run a script if it was not escaped.
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "]]><!--",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)//\u2028</textarea></style>",
]


def small_page(
    text: str = "text", *, stride: int = 1, cmap: str = "viridis", origin: str = "upper"
) -> Page:
    """A report with `text` as every name, and with frames of 5x7 cells."""
    rng = np.random.default_rng(0)
    inputs, truth, forecast = (
        rng.normal(10, 4, (count, 2, 5, 7)).astype(np.float32) for count in (2, 3, 3)
    )
    truth[:, 0, 1, 2] = np.nan
    chart = Chart(text, text, text, [Line(text, "run-0", [1.0, 2.0], [3.0, 4.0])])
    table = Table([text, text], [[text, text]])
    viewer = Viewer(
        samples=[
            ViewedSample(text, text, text, inputs, truth, [forecast], [text] * 5),
            ViewedSample("second", "second", "", truth, inputs[[0, 1, 0]], [forecast], []),
        ],
        runs=[text],
        channels=[(text, text), ("other", "m")],
        coordinates=[
            Coordinate(text, text, "y", np.linspace(50, 54, 5)),
            Coordinate("lon", "degrees_east", "x", np.linspace(1, 7, 7)),
            Coordinate("depth", "m", "yx", np.arange(35.0).reshape(5, 7)),
        ],
        origin=origin,
        stride=stride,
        shape=(5, 7),
        cmap=cmap,
        fps=20,
    )
    section = Section(text, [chart], [text])
    scores = {"mse": [0.5, None, 10.0], text: [3.0, 2.0, 1.0]}
    return Page(
        title=text,
        summary=text,
        verdict=text,
        is_warning=False,
        highlights=[(text, text, text)],
        scores=table,
        channels=[(text, table)],
        remarks=[text],
        lead_time=section,
        spectra=section,
        training=section,
        trials=Trials(table, text),
        samples=SampleTable([text, "second", "third"], [text, "second", "third"], scores),
        viewer=viewer,
        facts=[(text, text)],
        data=[(text, table)],
        settings=table,
        commands=[text],
        notes=[text],
        created=text,
    )
