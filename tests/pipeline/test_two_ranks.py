"""Several processes: launched by simvp, torchrun or Slurm, on one or two machines."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, Simvp, assert_same, only_split, run_state, wait_for_epoch

from simvp.data import read_split

SIMVP = [sys.executable, "-m", "simvp"]


def run(command: list[str], *, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_two_ranks_match_one_rank_in_test(tested: Path) -> None:
    saved = tested / "saved"
    one = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    scores = json.loads((saved / "metrics.json").read_text())
    result = run([*SIMVP, "test", "--nproc", "2"])
    two = json.loads((saved / "metrics.json").read_text())
    assert {path for path in saved.rglob("*") if path.is_file()} == set(one)
    for path in (saved / "preds").rglob("*.npy"):
        before = np.load(io.BytesIO(one[path]))
        np.testing.assert_allclose(np.load(path), before, rtol=1e-5, atol=1e-6)
    for name in ("mse", "mae", "rmse", "psnr", "ssim"):
        assert two[name] == pytest.approx(scores[name], rel=1e-6, abs=1e-6)
        assert two["persistence"][name] == pytest.approx(scores["persistence"][name], rel=1e-6)
    assert result.stdout.count("next: simvp viz") == 1
    assert result.stderr == ""


@pytest.mark.parametrize("recipe", ["direct", "stepwise"])
def test_two_ranks_train_and_test(split_data: Path, simvp: Simvp, recipe: str) -> None:
    train = [*SIMVP, "train", "--data-path", "data", "--nproc", "2", *TINY, "--recipe", recipe]
    result = run([*train, "--epochs", "2", "--test", "--set", "run.tensorboard=true"])
    assert "2 processes" in result.stdout
    assert result.stderr == ""  # no warnings of PyTorch
    assert result.stdout.count("epoch 2/2") == 1
    history = np.genfromtxt("work_dirs/default/metrics.csv", delimiter=",", names=True)
    assert history["epoch"].tolist() == [1, 2]
    (_,) = Path("work_dirs/default/tensorboard").iterdir()  # of rank 0
    assert Path("work_dirs/default/saved/metrics.json").is_file()
    refused = simvp("train", "--resume", "--epochs", "4", code=2)
    assert "number of processes was 2, now 1" in refused.stderr


def test_two_ranks_train_and_score_an_ensemble(split_data: Path, simvp: Simvp) -> None:
    train = ["train", "--data-path", "data", *TINY, "--epochs", "1", "--members", "2"]
    output = run([*SIMVP, *train, "--nproc", "2", "--test"]).stdout
    assert output.count("member 2 of 2, seed 1:\n") == 1
    simvp(*train, "--batch-size", "6", "--name", "one", "--test")
    two, one = (
        json.loads(Path("work_dirs", name, "saved", "metrics.json").read_text())
        for name in ("default", "one")
    )
    ours, expected = (list(found["channels"].values())[0] for found in (two, one))
    assert len(two["members"]) == 2
    for name in ("rmse_unit", "crps", "spread", "spread_skill"):
        assert ours[name] == pytest.approx(expected[name], rel=0.05)


def test_error_in_a_group_is_printed_once(split_data: Path, simvp: Simvp) -> None:
    command = [*SIMVP, "train", "--data-path", "data", "--nproc", "2", "--lr", "1e30", *TINY]
    result = run(command, code=1)
    assert result.stderr.count("the loss or its gradient is not finite") == 1
    assert "Traceback" not in result.stderr


def test_user_error_is_reported_before_the_group_starts(split_data: Path, simvp: Simvp) -> None:
    result = simvp("train", "--data-path", "data", "--nproc", "2", code=2)
    assert "have at most 8 frames in a row, but 20 are needed" in result.stderr
    assert not Path("work_dirs").exists()


def test_process_started_by_torchrun_joins_its_group(split_data: Path, simvp: Simvp) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "simvp", "train", "--data-path", "data", "--epochs", "1", *TINY]
    assert run(command).stdout.count("2 processes") == 1


@pytest.mark.slow
def test_two_machines_train_together(split_data: Path, simvp: Simvp) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*SIMVP, "train", "--data-path", "data", "--epochs", "1", "--nnodes", "2"]
    command += ["--rdzv-endpoint", f"127.0.0.1:{port}", *TINY]
    second = subprocess.Popen([*command, "--node-rank", "1"])
    first = run([*command, "--node-rank", "0"])
    assert second.wait(timeout=120) == 0
    assert first.stdout.count("2 processes") == 1


def test_process_started_by_slurm_joins_its_group(split_data: Path, simvp: Simvp) -> None:
    step = {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_JOB_ID": str(os.getpid()),
    }
    command = [*SIMVP, "train", "--data-path", "data", "--epochs", "1", *TINY]
    tasks = [
        subprocess.Popen(
            command,
            env={**os.environ, **step, "SLURM_PROCID": rank, "SLURM_LOCALID": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    outputs = [task.communicate(timeout=120)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0]
    assert outputs[0].count("2 processes") == 1
    assert outputs[1] == ""


def patched(code: str) -> list[str]:
    """The command of two processes that run some code before simvp."""
    Path("patched.py").write_text(f"{code}\nfrom simvp.__main__ import main\nmain()\n")
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "patched.py"]


NOT_SHARED = (
    "import os\n"
    "from simvp.runtime import machine\n"
    "if os.environ['RANK'] == '1':\n"
    "    machine._open = lambda handle, nbytes: None"
)


@pytest.mark.parametrize("cache", ["cache", pytest.param("", marks=pytest.mark.slow)])
def test_results_of_two_ranks_do_not_depend_on_where_frames_are(
    split_data: Path, simvp: Simvp, cache: str
) -> None:
    train = ["train", "--data-path", "data", *TINY, "--epochs", "1"]
    shared = run([*SIMVP, *train, "--nproc", "2"])
    assert "of frames are" not in shared.stdout
    options = ["--name", "other", "--set", f"data.cache={cache}"]
    other = run([*patched(NOT_SHARED), *train, *options])
    message = "1 MB of frames are read as they are needed: the processes of a machine cannot share"
    assert other.stdout.count(message) == 1
    assert other.stdout.count("writing 1 MB of decoded frames to cache") == bool(cache)
    assert_same(run_state(Path("work_dirs/default")), run_state(Path("work_dirs/other")))


def test_changed_frame_ends_a_group_with_one_message(trained: Path, simvp: Simvp) -> None:
    """Validation frames are the last to be read, by the second process."""
    series = read_split(only_split(Path("data"))).segments("validation")[1].series.id
    np.save(Path("data", series, "3.npy"), np.zeros((1, 9, 11), np.float32))
    before = run_state(trained)
    train = ["train", "--data-path", "data", "--overwrite", *TINY]
    result = run([*SIMVP, *train, "--nproc", "2"], code=2)
    assert result.stderr.count("error: ") == 1
    assert f"sample {series}: its frames have changed since the split was made" in result.stderr
    assert_same(before, run_state(trained))


def mappings(pid: int) -> dict[str, tuple[int, int]]:
    """Shared memory of a process: size and proportional share in bytes, by inode."""
    found: dict[str, tuple[int, int]] = {}
    inode = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inode = words[4] if "/memfd:simvp" in line else ""
        elif inode and words[0] == "Size:":
            found[inode] = 1024 * int(words[1]), 0
        elif inode and words[0] == "Pss:":
            found[inode] = found[inode][0], 1024 * int(words[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="memory is shared on Linux only")
def test_two_ranks_hold_one_copy_of_the_frames(split_data: Path, simvp: Simvp) -> None:
    train = [*SIMVP, "train", "--data-path", "data", "--nproc", "2", *TINY, "--epochs", "100000"]
    with subprocess.Popen(train, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_epoch(process)
            found = [held for pid in descendants(process.pid) if (held := mappings(pid))]
        finally:
            process.terminate()
    assert len(found) == 2 and found[0].keys() == found[1].keys()
    ((size, first),) = found[0].values()
    ((_, second),) = found[1].values()
    nbytes = 9 * 8 * 9 * 11 * 4  # of 7 training and 2 validation samples
    assert nbytes <= size < nbytes + 4096
    assert first + second <= size


def test_processes_killed_while_reading_leave_only_complete_blocks(
    trained_once: Path, split_data: Path, tmp_path: Path, simvp: Simvp
) -> None:
    slow = (
        "import time\n"
        "from simvp.data import frame_store\n"
        "frame_store._BLOCK_BYTES = 4 * 9 * 11 * 4\n"
        "original = frame_store.FrameStore.read_block\n"
        "def read_block(*arguments):\n"
        "    time.sleep(0.05)\n"
        "    return original(*arguments)\n"
        "frame_store.FrameStore.read_block = read_block\n"
    )
    train = ["train", "--data-path", "data", *TINY, "--set", "data.cache=cache", "--epochs", "4"]
    command = [*patched(slow), *train]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(list(Path("cache").glob("*.frames"))) < 4:
            assert process.poll() is None
            time.sleep(0.005)
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
    blocks = list(Path("cache").glob("*.frames"))
    assert 4 <= len(blocks) < 18
    assert {path.stat().st_size for path in blocks} == {4 * 9 * 11 * 4}
    assert not Path("work_dirs/default").exists()
    simvp(*train)
    assert_same(
        run_state(trained_once / "straight" / "work_dirs" / "default"),
        run_state(Path("work_dirs/default")),
    )


def listening_addresses(pids: set[int]) -> set[str]:
    """Local addresses, in hexadecimal, on which these processes accept TCP connections."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(link)
            except OSError:  # the file was closed meanwhile
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()]
    listening = [row for row in rows if row[3] == "0A"]
    return {row[1].partition(":")[0] for row in listening if row[9] in inodes}


def descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid}.union(*(descendants(int(child)) for child in children))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_group_on_one_machine_listens_on_loopback_only(
    split_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "my tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")  # as set for groups of several machines
    train = [*SIMVP, "train", "--data-path", "data", "--nproc", "2", *TINY, "--epochs", "100000"]
    with subprocess.Popen(train, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("epoch"):
                    break
            pids = descendants(process.pid)
            assert len(pids) >= 3
            loopback = {"0100007F", "0" * 24 + "01000000"}
            assert listening_addresses(pids) <= loopback
        finally:
            process.terminate()
            process.stdout.read()
    assert list(temporary.iterdir()) == []
