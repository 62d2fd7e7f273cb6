"""`make soak`: repeated faults, with a table of how often each was tried and survived."""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import (
    OFTEN,
    TRAIN,
    TRAIN_COMMAND,
    Simvp,
    Tally,
    assert_same,
    check_kill_and_resume,
    kill_when,
    run_state,
    start_program,
)
from servers import serving

from simvp.data import open_source, remote
from simvp.errors import OutputError
from simvp.storage import checkpoint

KILLED = Path("work_dirs/killed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "nproc", "members", "epochs"),
    [("1 process", 1, 1, 300), ("2 processes", 2, 1, 250), ("ensemble of 3", 1, 3, 100)],
)
def test_twenty_kills_at_random_moments(
    what: str, nproc: int, members: int, epochs: int, split_data: Path, simvp: Simvp, tally: Tally
) -> None:
    check_kill_and_resume(nproc, epochs=epochs, kills=20, longest=0.5, members=members)
    for _ in range(20):
        tally(f"SIGKILL at a random moment, {what}; bitwise the same at the end", True)


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
def test_writes_truncated_at_any_length(trained: Path, tally: Tally) -> None:
    latest = trained / "checkpoints" / "latest.pth"
    size, content = latest.stat().st_size, checkpoint.load(latest)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for index in range(100):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * index // 100, hard))
        try:
            with pytest.raises(OutputError):
                checkpoint.save(latest, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        intact = checkpoint.digest(checkpoint.load(latest)) == checkpoint.digest(content)
        clean = not list(latest.parent.glob(".simvp-*"))
        tally("a write cut off at byte k (file size limit)", intact and clean)


@pytest.mark.slow
def test_checkpoints_damaged_at_random(trained: Path, tally: Tally) -> None:
    folder, rng = trained / "checkpoints", random.Random(0)
    intact = checkpoint.load(folder / "latest.pth")
    checkpoint.save_training(folder, "epoch_2.pth", intact)  # so that previous.pth is the same
    original = (folder / "latest.pth").read_bytes()
    damages: list[Callable[[bytearray, int], None]] = [
        lambda data, at: data.__setitem__(at, data[at] ^ 1 << rng.randrange(8)),
        lambda data, at: data.__delitem__(slice(at, None)),
        lambda data, at: data.__setitem__(slice(at, at + 4096), bytes(len(data[at : at + 4096]))),
    ]
    for damage, kind in zip(damages, ["a flipped bit", "a lost end", "a zeroed page"], strict=True):
        for _ in range(50):
            data = bytearray(original)
            damage(data, rng.randrange(len(data)))
            (folder / "latest.pth").unlink()  # a hard link to others
            (folder / "latest.pth").write_bytes(data)
            found = checkpoint.newest_training(folder, lambda message: None)
            same = found is not None and checkpoint.digest(found) == checkpoint.digest(intact)
            tally(f"checkpoint with {kind} at a random place; the previous one is used", same)


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
    for _ in range(12):
        tally(f"`{command}` stopped by SIGKILL, SIGTERM or SIGINT, and run again", same)


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


def _start(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["train --help", "split nothing", "test --name nothing"])
def test_interrupt_while_modules_are_imported(arguments: str, simvp: Simvp, tally: Tally) -> None:
    """Python itself, until it has found simvp, answers with a traceback."""
    expected = start_program(arguments.split())
    _, expected_errors = expected.communicate(timeout=60)
    for index in range(20):
        process = start_program(arguments.split())
        time.sleep(0.05 + index * 0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        # When the command is done, Python may end by the signal, of which a shell makes 130.
        is_done = errors == expected_errors and process.returncode in (
            expected.returncode,
            -signal.SIGINT,
        )
        tally(
            "SIGINT while modules are imported; one line",
            is_done or (process.returncode, errors) == (130, "interrupted\n"),
        )


@pytest.mark.slow
def test_three_processes_simulate_into_one_folder(tmp_path: Path, tally: Tally) -> None:
    for index in range(6):
        folder = tmp_path / str(index)
        command = [sys.executable, "-m", "simvp", "simulate", "--data-path", str(folder)]
        command += ["--samples", "20", "--frames", "8", "--image-size", "16"]
        processes = [_start(command) for _ in range(3)]
        for process in processes:
            _, errors = process.communicate(timeout=120)
            complete = process.returncode == 0 and len(list(folder.glob("*/*.npy"))) == 20 * 8
            refused = process.returncode == 2 and "another simvp process" in errors
            tally("three `simulate` into one folder at once", complete or refused)
        assert 0 in [process.returncode for process in processes]


@pytest.mark.slow
def test_three_processes_train_under_one_name(
    trained_once: Path, split_data: Path, tally: Tally
) -> None:
    expected = run_state(trained_once / "straight" / "work_dirs" / "default")
    for index in range(3):
        run = Path(f"work_dirs/race-{index}")
        processes = [_start([*TRAIN_COMMAND, "--name", run.name]) for _ in range(3)]
        codes = []
        for process in processes:
            _, errors = process.communicate(timeout=120)
            codes.append(process.returncode)
            tally("three `train` under one name at once", "Traceback" not in errors)
        assert sorted(codes) == [0, 2, 2]
        assert_same(run_state(run), expected)


@pytest.mark.slow
def test_requests_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    """Half of the requests for an array of 500 chunks."""
    monkeypatch.setattr(remote, "_FIRST_DELAY", 0.01)
    values = np.random.default_rng(0).random((500, 9, 11), dtype=np.float32)
    dataset = xr.Dataset({"sst": (("time", "lat", "lon"), values)})
    dataset.to_zarr(
        tmp_path / "ocean.zarr", zarr_format=2, encoding={"sst": {"chunks": (1, 9, 11)}}
    )
    with serving(tmp_path, seed=2) as server:
        server.fault_share = 0.5
        (series,) = open_source(f"{server.url}/ocean.zarr").series
        same = np.array_equal(series.read(0, 500)[:, 0], values)
        for kind, fault in _FAULTS.items():
            for _ in range(server.faults[kind]):
                tally(f"request of remote data: {fault}", same)


_FAULTS = {
    "status": "HTTP 500",
    "half": "connection lost within the answer",
    "nothing": "connection closed",
    "slow": "slow answer",
}


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
