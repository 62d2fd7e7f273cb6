"""`make soak`: repeated faults, with a table of how often each was tried and survived."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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


@pytest.mark.slow
@pytest.mark.parametrize("command", ["simulate", "split", "test"])
def test_repeated_command_after_kills_matches_a_clean_run(
    command: str, trained: Path, simvp: Simvp, tally: Tally
) -> None:
    arguments = {
        "simulate": ["simulate", "--samples", "300", "--image-size", "32", "--data-path", "made"],
        "split": ["split", "--data-path", "data", "--seed", "7"],
        "test": ["test"],
    }[command]
    watched = {"simulate": Path("made"), "split": Path("data"), "test": trained}[command]

    def contents() -> dict[str, bytes]:
        return {
            str(path.relative_to(watched)): path.read_bytes()
            for path in watched.rglob("*")
            if path.is_file() and not path.name.startswith(".simvp-")
        }

    full_command = [sys.executable, "-m", "simvp", *arguments]
    for index in range(10):
        moment = time.monotonic() + 0.4 + 0.3 * index
        kill_when(full_command, lambda moment=moment: time.monotonic() > moment)
    subprocess.run(full_command, check=True, capture_output=True)
    after_kills = contents()
    if command == "simulate":
        Path("made").rename("aside")
    subprocess.run(full_command, check=True, capture_output=True)
    same = contents() == after_kills
    tally(f"`{command}` killed ten times and run again", same)
    assert same


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


def test_truncated_checkpoint_is_detected(trained: Path) -> None:
    """Negative control of the tests above."""
    latest = trained / "checkpoints" / "latest.pth"
    os.truncate(latest, latest.stat().st_size - 1)
    with pytest.raises(checkpoint.DamagedFile):
        checkpoint.load(latest)
