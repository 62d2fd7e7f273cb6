"""`make soak`: repeated faults, with a table of how often each was tried and survived."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from helpers import OFTEN, TRAIN, TRAIN_COMMAND, Simvp, check_kill_and_resume, kill_when

from simvp.storage import checkpoint

Tally = Callable[[str, bool], None]

KILLED = Path("work_dirs/killed")


@pytest.mark.slow
@pytest.mark.parametrize(("nproc", "epochs"), [(1, 600), (2, 400)])
def test_twenty_kills_at_random_moments(
    nproc: int, epochs: int, split_data: Path, simvp: Simvp, tally: Tally
) -> None:
    check_kill_and_resume(nproc, epochs=epochs, kills=20, longest=0.5)
    processes = f"{nproc} process{'es' if nproc > 1 else ''}"
    for _ in range(20):
        tally(f"SIGKILL at a random moment, {processes}; bitwise the same at the end", True)


@pytest.mark.slow
def test_fifty_kills_during_a_checkpoint(split_data: Path, simvp: Simvp, tally: Tally) -> None:
    folder = KILLED / "checkpoints"
    command = [*TRAIN_COMMAND, "--epochs", "100000", *OFTEN, "--name", "killed", "--resume"]
    command += ["--set", "train.checkpoint_interval=1000", "--set", "model.hid_T=128"]
    simvp(*TRAIN, "--epochs", "1", "--name", "killed", "--set", "model.hid_T=128")
    hits = 0
    for index in range(50):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Killed processes may have left temporary files, so wait for that of this process.
        temporary = f".simvp-{process.pid}-latest*"
        while not any(folder.glob(temporary)):
            assert process.poll() is None, "training finished before it was killed"
        time.sleep(index * 0.0004)  # from the first byte of the file to after its rename
        process.kill()
        process.wait()
        hits += any(folder.glob(temporary))
        latest = folder / "latest.pth"
        tally("SIGKILL while a checkpoint is written", bool(checkpoint.load(latest)))
    assert hits > 10, "too few kills hit a write"
    latest = checkpoint.load(Path("work_dirs/killed/checkpoints/latest.pth"))
    epochs = str(latest["progress"]["epoch"] + 1)
    simvp("train", "--resume", "--name", "killed", "--epochs", epochs)
    tally("what they left half-written is cleared away", not list(folder.glob(".simvp-*")))


@pytest.mark.slow
def test_writes_truncated_at_any_length(trained: Path, simvp: Simvp, tally: Tally) -> None:
    latest = trained / "checkpoints" / "latest.pth"
    size, before = latest.stat().st_size, checkpoint.digest(checkpoint.load(latest))
    for index in range(20):
        limit = size * index // 20
        code = (
            f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
            "from pathlib import Path; from simvp.storage import checkpoint;"
            f"path = Path({str(latest)!r}); checkpoint.save(path, checkpoint.load(path))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        intact = checkpoint.digest(checkpoint.load(latest)) == before
        clean = not list(latest.parent.glob(".simvp-*"))
        tally(
            "a write cut off at byte k (file size limit)",
            "OutputError" in result.stderr and intact and clean,
        )


# Commands, and the folder that each writes to.
_COMMANDS = {
    "simulate": ("simulate --samples 300 --image-size 32 --data-path made", "made"),
    "split": ("split --data-path data --seed 7", "data"),
    "test": ("test", "work_dirs/default"),
    "predict": ("predict --output future/all.nc --overwrite", "future"),
    "viz --report": ("viz --report", "work_dirs/default"),
}
_SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
_DATES = re.compile(rb"[0-9-]{10}[ T][0-9:]{8}")  # differs between runs


def _contents(folder: Path) -> dict[str, bytes]:
    """The files under their final names, without dates."""
    return {
        str(path.relative_to(folder)): _DATES.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".simvp-")
    }


def _check_kills(command: str, delays: list[float]) -> bool:
    """Stop a command after each delay, and compare what the next one makes with a clean run."""
    arguments, name = _COMMANDS[command]
    full_command, folder = [sys.executable, "-m", "simvp", *arguments.split()], Path(name)
    clean = Path("clean")
    shutil.copytree(".", clean)
    subprocess.run(full_command, check=True, capture_output=True, cwd=clean)
    expected = _contents(clean / folder)
    for delay, signum in zip(delays, cycle(_SIGNALS), strict=False):
        moment = time.monotonic() + delay
        kill_when(full_command, lambda moment=moment: time.monotonic() > moment, signum=signum)
        written = _contents(folder) if folder.exists() else {}
        if any(content != expected.get(file, content) for file, content in written.items()):
            return False  # something half-written, or of another content
    subprocess.run(full_command, check=True, capture_output=True)
    return _contents(folder) == expected


@pytest.mark.slow
@pytest.mark.parametrize("command", _COMMANDS)
def test_repeated_command_after_kills_matches_a_clean_run(
    command: str, tested: Path, tally: Tally
) -> None:
    same = _check_kills(command, [0.3 + 0.3 * index for index in range(12)])
    tally(f"`{command}` stopped twelve times by three signals and run again", same)


@pytest.mark.parametrize("command", ["split", "predict", "viz --report"])
def test_stopped_command_can_be_repeated(command: str, tested: Path) -> None:
    """A short version of the test above."""
    assert _check_kills(command, [1.5])


@pytest.mark.slow
def test_signals_at_random_moments(split_data: Path, simvp: Simvp, tally: Tally) -> None:
    command = [*TRAIN_COMMAND, "--epochs", "100000", "--checkpoint-interval", "1"]
    rng = random.Random(0)
    for index in range(10):
        signum, code = [(signal.SIGTERM, 143), (signal.SIGINT, 130)][index % 2]
        name = ["--name", f"signalled-{index}"]
        history = Path(f"work_dirs/signalled-{index}/metrics.csv")
        delay = rng.uniform(0.0, 0.3)

        def ready(history: Path = history, delay: float = delay) -> bool:
            if not history.exists():
                return False
            time.sleep(delay)
            return True

        ended = kill_when([*command, *name], ready, signum=signum)
        latest = history.parent / "checkpoints" / "latest.pth"
        tally(
            "SIGTERM or SIGINT at a random moment", ended == code and bool(checkpoint.load(latest))
        )


@pytest.mark.parametrize("arguments", ["split data", "predict --output out/a.npy", "viz --report"])
def test_abandoned_files_are_removed(arguments: str, tested: Path, simvp: Simvp) -> None:
    folder = {"split": Path("data"), "predict": Path("out"), "viz": tested}[arguments.split()[0]]
    folder.mkdir(exist_ok=True)
    old, new = folder / ".simvp-1-old.json", folder / ".simvp-2-new.json"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    simvp(*arguments.split())
    assert not old.exists() and new.exists()  # which another process may be writing


def test_truncated_checkpoint_is_detected(trained: Path) -> None:
    """Negative control of the tests above."""
    latest = trained / "checkpoints" / "latest.pth"
    os.truncate(latest, latest.stat().st_size - 1)
    with pytest.raises(checkpoint.DamagedFile):
        checkpoint.load(latest)
