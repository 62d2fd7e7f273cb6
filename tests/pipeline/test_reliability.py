"""Faults that a run survives."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
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
    wait_for_epoch,
)

from simvp.engine import Trainer
from simvp.engine.epoch_log import EpochLog
from simvp.engine.signals import StopRequest
from simvp.storage import checkpoint

CHECKPOINTS = Path("work_dirs/default/checkpoints")


def flip_bit(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def offset_of_tensor(path: Path) -> int:
    """Offset of a weight in the file; `torch.load` does not detect a flipped bit there."""
    weights = checkpoint.load(path)["model"]
    largest = max(weights.values(), key=lambda tensor: tensor.numel())
    return path.read_bytes().index(largest.contiguous().numpy().tobytes()) + 5


DAMAGE: dict[str, Any] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "bit-flipped": lambda path: flip_bit(path, offset_of_tensor(path)),
    "page-zeroed": lambda path: path.write_bytes(
        (data := path.read_bytes())[:4096] + bytes(4096) + data[8192:]
    ),
    "garbage": lambda path: path.write_bytes(random.Random(0).randbytes(5000)),
    "text": lambda path: path.write_bytes(b"Q" * 5000),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_resume_skips_a_damaged_checkpoint(kind: str, split_data: Path, simvp: Simvp) -> None:
    simvp(*TRAIN, "--checkpoint-interval", "1", "--epochs", "3")
    # latest.pth and epoch_3.pth are the same file; previous.pth is epoch_2.pth.
    DAMAGE[kind](CHECKPOINTS / "latest.pth")
    result = simvp("train", "--resume", "--epochs", "4")
    assert "falling back to the previous checkpoint" in result.stdout
    assert "resuming: 2 of 4 epochs" in result.stdout
    assert len((CHECKPOINTS.parent / "metrics.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_checkpoint_given_by_name_is_rejected(
    kind: str, trained: Path, simvp: Simvp
) -> None:
    DAMAGE[kind](CHECKPOINTS / "epoch_2.pth")
    result = simvp("test", "--weights", str(CHECKPOINTS / "epoch_2.pth"), code=2)
    assert "epoch_2.pth: " in result.stderr
    assert "damaged" in result.stderr


def test_resume_without_intact_checkpoint_fails(trained: Path, simvp: Simvp) -> None:
    for path in CHECKPOINTS.iterdir():
        path.write_bytes(b"")
    result = simvp("train", "--resume", "--epochs", "4", code=2)
    assert "checkpoints are damaged; restore one from a backup, or start over" in result.stderr


@pytest.mark.parametrize(
    ("problem", "damage"),
    [("missing", "empty"), ("damaged", "truncated"), ("damaged", "bit-flipped")],
)
def test_lost_model_is_restored_when_the_run_is_resumed(
    problem: str, damage: str, trained: Path, simvp: Simvp
) -> None:
    model = trained / "simvp_model.pth"
    expected = checkpoint.load(model)
    if damage == "bit-flipped":  # of a weight
        weight = max(expected.values(), key=lambda tensor: tensor.numel()).contiguous().numpy()
        flip_bit(model, model.read_bytes().index(weight.tobytes()) + 5)
    else:
        DAMAGE[damage](model)
    if problem == "missing":
        model.unlink()
    else:
        assert "simvp_model.pth: is damaged" in simvp("test", code=2).stderr
    output = simvp("train", "--resume").stdout
    assert f"simvp_model.pth: is {problem}; restored from " in output
    assert_same(expected, checkpoint.load(model))
    assert "restored" not in simvp("train", "--resume").stdout


def test_results_of_a_later_epoch_are_replaced_when_the_run_is_resumed(
    trained: Path, simvp: Simvp
) -> None:
    """A killed process may have written epochs after its last checkpoint."""
    model, history = trained / "simvp_model.pth", trained / "metrics.csv"
    expected, rows = checkpoint.load(model), history.read_text()
    later = {name: weights + 1 for name, weights in expected.items()}
    checkpoint.save(model, later)
    history.write_text(rows + rows.splitlines()[-1].replace("2", "3", 1) + "\n")
    output = simvp("train", "--resume").stdout
    assert "probably of a later epoch; restored from " in output
    assert_same(expected, checkpoint.load(model))
    assert history.read_text() == rows


def test_model_of_a_later_epoch_is_named_if_it_cannot_be_restored(
    trained: Path, simvp: Simvp
) -> None:
    model = trained / "simvp_model.pth"
    content = checkpoint.load(CHECKPOINTS / "latest.pth")
    content["progress"]["batch"] = 1
    for path in CHECKPOINTS.glob("*.pth"):
        path.unlink()
    del content["format"]
    checkpoint.save_training(CHECKPOINTS, "latest.pth", content)
    checkpoint.save(model, {name: weights + 1 for name, weights in checkpoint.load(model).items()})
    output = simvp("train", "--resume", "--epochs", "3").stdout
    assert "probably of a later epoch; it is replaced by the next epoch that is kept" in output


def test_run_killed_after_its_first_checkpoint_is_resumed(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has metrics.csv has a checkpoint as well."""
    published = EpochLog.publish

    def publish(self: EpochLog, progress: Any) -> None:
        assert (CHECKPOINTS / "latest.pth").exists()
        published(self, progress)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EpochLog, "publish", publish)
        simvp(*TRAIN, code=130)
    assert "resuming: 1 of 4 epochs are done" in simvp("train", "--resume").stdout


def test_run_is_not_resumed_with_other_data(trained: Path, simvp: Simvp) -> None:
    message = simvp("train", "elsewhere", "--resume", "--epochs", "3", code=2).stderr
    assert "DATA = 'elsewhere': the run in work_dirs/default was trained on data;" in message
    assert "already complete" in simvp("train", "data", "--resume").stdout


def test_lost_model_of_an_epoch_without_checkpoint_is_an_error(trained: Path, simvp: Simvp) -> None:
    model = trained / "simvp_model.pth"
    content = checkpoint.load(CHECKPOINTS / "latest.pth")
    for number, row in enumerate(content["progress"]["history"]):
        row["kept"] = int(number == 0)
    for path in CHECKPOINTS.glob("*.pth"):
        path.unlink()
    del content["format"]
    checkpoint.save_training(CHECKPOINTS, "latest.pth", content)
    model.unlink()
    message = simvp("train", "--resume", code=2).stderr
    assert (
        "simvp_model.pth: is missing, and there is no checkpoint of epoch 1, whose weights it"
        in message
    )
    assert not model.exists()


def test_newest_checkpoint_does_not_depend_on_file_times(split_data: Path, simvp: Simvp) -> None:
    simvp(*TRAIN, "--checkpoint-interval", "1", "--epochs", "3")
    os.utime(CHECKPOINTS / "epoch_1.pth", (2**32, 2**32))
    for name in ("latest.pth", "previous.pth"):
        (CHECKPOINTS / name).unlink()
    assert "resuming: 3 of 4 epochs" in simvp("train", "--resume", "--epochs", "4").stdout


def test_checkpoint_of_a_newer_format_is_rejected(trained: Path, simvp: Simvp) -> None:
    for path in CHECKPOINTS.iterdir():
        content = torch.load(path, weights_only=True)
        torch.save({**content, "format": 2}, path)
    result = simvp("train", "--resume", "--epochs", "4", code=2)
    assert "has checkpoint format 2, but this version of simvp reads format 1" in result.stderr


@pytest.mark.parametrize("nproc", [1, 2])
def test_killed_and_resumed_run_is_bitwise_equal(
    nproc: int, split_data: Path, simvp: Simvp
) -> None:
    check_kill_and_resume(nproc, epochs=12, kills=1, longest=0.1)


@pytest.mark.parametrize(
    ("nproc", "signum", "code"),
    [
        pytest.param(1, signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(1, signal.SIGINT, 130, id="SIGINT"),
        pytest.param(2, signal.SIGTERM, 143, id="two-processes-SIGTERM"),
        pytest.param(2, signal.SIGINT, 130, id="two-processes-SIGINT", marks=pytest.mark.slow),
    ],
)
def test_signal_saves_a_checkpoint_and_sets_the_exit_code(
    nproc: int, signum: int, code: int, split_data: Path, simvp: Simvp
) -> None:
    command = [*TRAIN_COMMAND, "--epochs", "10000", "--nproc", str(nproc)]
    metrics = Path("work_dirs/default/metrics.csv")
    assert kill_when(command, metrics.exists, signum=signum) == code
    content = checkpoint.load(CHECKPOINTS / "latest.pth")
    assert content["progress"]["epoch"] > 0


def test_killed_rank_stops_the_group_and_is_named(split_data: Path, simvp: Simvp) -> None:
    command = [*TRAIN_COMMAND, "--epochs", "10000", "--nproc", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for_epoch(process)
    ranks = children(process.pid)
    assert len(ranks) == 2
    started = time.monotonic()
    os.kill(max(ranks), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - started < 15  # torchrun waits 30 s for a process that hangs
    assert errors.count("died (signal 9)") == 1
    assert "Traceback" not in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.slow
def test_restarted_group_is_bitwise_equal(split_data: Path, simvp: Simvp, tally: Tally) -> None:
    options = ["--nproc", "2", *OFTEN, "--epochs", "12"]
    subprocess.run(
        [*TRAIN_COMMAND, *options, "--name", "straight"], check=True, capture_output=True
    )
    command = [*TRAIN_COMMAND, *options, "--name", "restarted", "--max-restarts", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_epoch(process, Path("work_dirs/restarted"))
    os.kill(max(children(process.pid)), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "resuming: " in output
    runs = split_data.parent / "work_dirs"
    assert_same(run_state(runs / "straight"), run_state(runs / "restarted"))
    tally("SIGKILL of one of two processes; restarted, bitwise the same at the end", True)


@pytest.mark.slow
def test_hanging_rank_stops_the_group(split_data: Path, simvp: Simvp, tally: Tally) -> None:
    command = [*TRAIN_COMMAND, "--epochs", "10000", "--nproc", "2"]
    command += ["--set", "launch.timeout_minutes=0.1"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for_epoch(process)
    os.kill(max(children(process.pid)), signal.SIGSTOP)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "lost the connection to another process" in errors
    tally("one of two processes hangs; the other ends with a message", True)


def test_second_process_in_a_run_folder_is_rejected(split_data: Path, simvp: Simvp) -> None:
    first = subprocess.Popen([*TRAIN_COMMAND, "--epochs", "10000"], stdout=subprocess.DEVNULL)
    try:
        wait_for_epoch(first)
        result = simvp(*TRAIN, "--overwrite", code=2)
        assert (
            f"another simvp process is writing to this folder (process {first.pid} on "
            in result.stderr
        )
        assert "another simvp" in simvp("test", code=2).stderr
    finally:
        first.kill()
        first.wait()
    done = checkpoint.load(CHECKPOINTS / "latest.pth")["progress"]["epoch"]
    simvp("train", "--resume", "--epochs", str(done + 1))


def test_settings_that_affect_results_cannot_change_on_resume(
    trained: Path, split_data: Path, simvp: Simvp
) -> None:
    (path,) = split_data.glob("*.json")
    record = json.loads(path.read_text())
    segment = record["test"]["segments"][0]  # training does not read the test part
    segment.update(stop=7, fingerprint=segment["fingerprint"][: 8 * 7])
    path.write_text(json.dumps(record))
    assert "already complete" in simvp("train", "--resume").stdout
    record["train"]["segments"].reverse()
    path.write_text(json.dumps(record))
    result = simvp("train", "--resume", code=2)
    assert "cannot resume: this has changed since the training began" in result.stderr
    assert "training samples" in result.stderr


def test_truncated_write_leaves_the_old_checkpoint(trained: Path) -> None:
    latest = CHECKPOINTS / "latest.pth"
    before = checkpoint.digest(checkpoint.load(latest))
    code = (
        "import resource\n"
        "from pathlib import Path\n"
        "from simvp.errors import OutputError\n"
        "from simvp.storage import checkpoint\n"
        f"path = Path({str(latest)!r})\n"
        "content, size = checkpoint.load(path), path.stat().st_size\n"
        "for limit in (0, size // 2):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, size))\n"
        "    try:\n"
        "        checkpoint.save(path, content)\n"
        "        print('written')\n"
        "    except OutputError:\n"
        "        print('refused', len(list(path.parent.glob('.simvp-*'))))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["refused 0", "refused 0"], result.stderr
    assert checkpoint.digest(checkpoint.load(latest)) == before


def test_full_disk_is_one_message(simvp: Simvp) -> None:
    result = simvp("simulate", "--samples", "1", "--data-path", "/dev/full/x", code=2)
    assert "/dev/full" in result.stderr
    assert "cannot be written" in result.stderr


def test_unwritable_output_folder_is_rejected(split_data: Path, simvp: Simvp) -> None:
    Path("file").touch()
    result = simvp(*TRAIN, "--set", "run.work_dir=file", code=2)
    assert "cannot be written" in result.stderr


def test_non_finite_gradient_stops_the_run(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simvp.engine.learner.get_total_norm", lambda g: torch.tensor(torch.inf))
    result = simvp(*TRAIN, code=1)
    assert "epoch 1, step 1 of 3" in result.stderr


def test_closed_pipe_causes_no_traceback(split_data: Path, simvp: Simvp) -> None:
    command = f"{shlex.quote(sys.executable)} -m simvp train --print-config | head -1"
    environment = {**os.environ, "LANG": "C"}
    result = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
    assert result.stdout == "[run]\n"
    assert "Traceback" not in result.stderr


def test_resume_from_plain_weights_is_rejected(trained: Path, simvp: Simvp) -> None:
    for path in CHECKPOINTS.iterdir():
        path.unlink()
    (CHECKPOINTS / "latest.pth").write_bytes((trained / "simvp_model.pth").read_bytes())
    result = simvp("train", "--resume", "--epochs", "4", code=2)
    assert "contains weights but no training state" in result.stderr


def test_interrupt_to_launcher_and_ranks_saves_a_checkpoint(split_data: Path, simvp: Simvp) -> None:
    """Ctrl-C in a terminal sends SIGINT to all processes."""
    command = [*TRAIN_COMMAND, "--epochs", "10000", "--nproc", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for_epoch(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert checkpoint.load(CHECKPOINTS / "latest.pth")["progress"]["epoch"] > 0


@pytest.mark.slow
def test_non_finite_frame_in_one_process_is_named_by_all(split_data: Path, simvp: Simvp) -> None:
    """All processes name the samples of the process that read the frame."""
    code = (
        "import os, sys, torch\n"
        "from simvp.data import batches as data\n"
        "original = data.WindowDataset.__getitem__\n"
        "def spoiled(self, index):\n"
        "    frames = original(self, index)\n"
        "    bad = index == 3 and len(self) == 7\n"
        "    return frames * (torch.nan if bad else 1.0)\n"
        "data.WindowDataset.__getitem__ = spoiled\n"
        "from simvp.__main__ import main\n"
        "main()\n"
    )
    Path("spoiled.py").write_text(code)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*launcher, "spoiled.py", *TRAIN, "--epochs", "1"], capture_output=True, text=True
    )
    messages = {line for line in result.stderr.splitlines() if line.startswith("error: epoch 1")}
    assert len(messages) == 1
    (samples,) = messages
    named = samples.partition("(samples: ")[2].partition(")")[0].split(", ")
    assert 1 <= len(named) <= 3


def test_frame_removed_during_training_is_named(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer._finish_epoch

    def removing(self: Trainer, log: EpochLog, stop: StopRequest) -> None:
        original(self, log, stop)
        Path(self.train_set.segments[0].series.locate(2)).unlink(missing_ok=True)

    monkeypatch.setattr(Trainer, "_finish_epoch", removing)
    monkeypatch.setattr("simvp.data.preparation.MEMORY_SHARE", 0.0)  # disables the cache
    result = simvp(*TRAIN, "--checkpoint-interval", "1", code=2)
    assert "2.npy: expected the file of a frame, found nothing" in result.stderr
    assert checkpoint.load(CHECKPOINTS / "latest.pth")["progress"]["epoch"] == 1


def test_out_of_memory_is_one_message(trained: Path, simvp: Simvp) -> None:
    before = checkpoint.digest(checkpoint.load(CHECKPOINTS / "latest.pth"))
    code = (
        "import resource, sys, torch\n"
        "import simvp.commands.train\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "used = int([x for x in lines if x.startswith('VmSize')][0].split()[1]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))\n"
        "from simvp.__main__ import main\n"
        "main()\n"
    )
    Path("limited.py").write_text(code)
    command = [sys.executable, "limited.py", *TRAIN, "--name", "large"]
    command += ["--set", "model.hid_T=8192"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("error: out of memory")
    assert checkpoint.digest(checkpoint.load(CHECKPOINTS / "latest.pth")) == before


def test_group_exits_when_its_launcher_is_killed(split_data: Path, simvp: Simvp) -> None:
    command = [*TRAIN_COMMAND, "--epochs", "10000", "--nproc", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for_epoch(process)
    ranks = children(process.pid)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in ranks):
        assert time.monotonic() < deadline, "an orphaned process is still running"
        time.sleep(0.05)
    simvp(*TRAIN, "--overwrite")  # The folder is unlocked.


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
