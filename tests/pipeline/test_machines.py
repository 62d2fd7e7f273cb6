"""Several machines, as network namespaces that are connected by a cable, and jobs of Slurm."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import OFTEN, PACKAGE, TINY, Simvp, Tally, assert_same, run_state, wait_for_epoch

PORT = 29500
TRAIN = ["train", "--data-path", "data", *TINY]


def ip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["ip", *arguments], capture_output=True, text=True)


class Machine:
    """A machine with a network of its own, and processes that the other one does not see."""

    def __init__(self, name: str, index: int) -> None:
        self.name, self.index, self.address = name, index, f"10.77.0.{index + 1}"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start one process of a training on two machines."""
        isolated = ["ip", "netns", "exec", self.name, "unshare", "--pid", "--fork", "--mount-proc"]
        group = ["--nnodes", "2", "--node-rank", str(self.index)]
        group += ["--rdzv-endpoint", f"10.77.0.1:{PORT}"]
        command = [*isolated, "--kill-child", sys.executable, "-m", "simvp", *arguments, *group]
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": self.name}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def bytes_sent(self) -> int:
        table = ip("netns", "exec", self.name, "cat", "/proc/net/dev").stdout
        (row,) = (line.split() for line in table.splitlines() if self.name in line)
        return int(row[9])


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    names = [f"sv{side}{os.getpid()}" for side in "ab"]
    try:
        if not shutil.which("unshare") or not shutil.which("ip"):
            pytest.skip("needs the programs ip and unshare")
        if any(ip("netns", "add", name).returncode for name in names):
            pytest.skip("needs permission to add network namespaces")
        cable = ("type", "veth", "peer", "name", names[1], "netns", names[1])
        ip("link", "add", names[0], "netns", names[0], *cable)
        found = [Machine(name, index) for index, name in enumerate(names)]
        for machine in found:
            inside = ("-n", machine.name)
            ip(*inside, "addr", "add", f"{machine.address}/24", "dev", machine.name)
            ip(*inside, "link", "set", "lo", "up")
            assert ip(*inside, "link", "set", machine.name, "up").returncode == 0
        yield found
    finally:
        for name in names:
            ip("netns", "del", name)


def outputs_of(processes: "list[subprocess.Popen[str]]", code: int = 0) -> list[str]:
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [code] * len(processes), outputs
    return [output for output, _ in outputs]


def train_on_one_machine(*options: str) -> Path:
    """Train with two processes of this machine. Returns the folder of the run."""
    command = [sys.executable, "-m", "simvp", *TRAIN, "--nproc", "2", "--name", "one", *options]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return Path("work_dirs/one")


@pytest.mark.slow
def test_two_machines_train_as_one(split_data: Path, simvp: Simvp, machines: list[Machine]) -> None:
    larger = ("--set", "model.hid_S=32", "--set", "model.hid_T=64", "--epochs", "10")
    before = [machine.bytes_sent() for machine in machines]
    outputs = outputs_of([machine.start(*TRAIN, *larger, "--name", "two") for machine in machines])
    sent = [machine.bytes_sent() - start for machine, start in zip(machines, before, strict=True)]
    assert outputs[0].count("2 processes") == 1 and outputs[1] == ""  # one of them writes
    run = Path("work_dirs/two")
    assert_same(run_state(run), run_state(train_on_one_machine(*larger)))
    weights = torch.load(run / "simvp_model.pth", weights_only=True).values()
    gradients = 4 * sum(weight.numel() for weight in weights)
    steps = int(re.search(r"(\d+) steps? of", outputs[0])[1]) * 10
    # All-reduce: each process sends 2 (n - 1) / n times the gradients, here as much as these. The
    # first one also sends its weights at the start.
    ratio = sent[1] / (gradients * steps)
    assert 1.0 <= ratio < 1.1, ratio
    assert 1.0 <= (sent[0] - gradients) / (gradients * steps) < 1.1


@pytest.mark.slow
def test_machine_that_is_lost_comes_back(
    split_data: Path, simvp: Simvp, machines: list[Machine], tally: Tally
) -> None:
    train = [*TRAIN, *OFTEN, "--name", "two", "--resume", "--epochs", "12"]
    processes = [machine.start(*train) for machine in machines]
    wait_for_epoch(processes[0], Path("work_dirs/two"))
    processes[1].kill()  # unshare, which takes all processes of the machine with it
    processes[1].communicate()
    _, errors = processes[0].communicate(timeout=120)
    assert processes[0].returncode == 1 and "Traceback" not in errors
    assert "resume from the newest checkpoint with --resume" in errors
    outputs = outputs_of([machine.start(*train) for machine in machines])
    assert "resuming: " in outputs[0]
    assert_same(run_state(Path("work_dirs/two")), run_state(train_on_one_machine("--epochs", "12")))
    tally("one of two machines is lost and comes back; bitwise the same at the end", True)


# Sets what Slurm sets, and starts the tasks of a step on this machine.
SRUN = """
import os, signal, subprocess, sys
nodes, per_node = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
command = sys.argv[1:]
while command[0].startswith("--"):
    command.pop(0)
step = {
    "SLURM_STEP_NUM_TASKS": str(nodes * per_node),
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_STEP_TASKS_PER_NODE": f"{per_node}(x{nodes})",
}
tasks = [
    subprocess.Popen(command, env={**os.environ, **step, "SLURM_PROCID": str(rank),
                                   "SLURM_LOCALID": str(rank % per_node)})
    for rank in range(nodes * per_node)
]
signal.signal(signal.SIGTERM, lambda *_: [task.send_signal(signal.SIGTERM) for task in tasks])
sys.exit(max(task.wait() for task in tasks))
"""


def slurm_script() -> str:
    page = (PACKAGE / "docs" / "cluster.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n#SBATCH.*?)```", page, re.DOTALL)
    return script


def start_job(folder: Path, **variables: str) -> "subprocess.Popen[str]":
    """Run the script of the page on clusters, with small programs in place of those of Slurm."""
    (folder / "srun.py").write_text(SRUN)
    python = shlex.quote(sys.executable)  # a path with a space cannot follow #!
    programs = {
        "srun": f'#!/bin/sh\nexec {python} {shlex.quote(str(folder / "srun.py"))} "$@"\n',
        "scontrol": '#!/bin/sh\necho "$@" >> requeued\n',
        "simvp": '#!/bin/sh\n[ "$1" = train ] && set -- "$@" --config small.toml\n'
        f'exec {python} -m simvp "$@"\n',
    }
    (folder / "bin").mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    job = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_NNODES": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_CPUS_PER_TASK": "1",
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    (folder / "job.sh").write_text(slurm_script())
    return subprocess.Popen(
        ["bash", "job.sh"],
        env={**os.environ, **job, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_script_for_slurm_trains_and_continues_after_its_time_limit(
    split_data: Path, tmp_path: Path, simvp: Simvp, tally: Tally
) -> None:
    split_data.rename("ocean")
    options = [*TINY, "--epochs", "25", "--data-path", "ocean"]
    settings = simvp("train", *options, "--name", "ocean", "--print-config").stdout
    Path("small.toml").write_text(settings)
    process = start_job(tmp_path)
    while not Path("work_dirs/ocean/metrics.csv").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:  # `srun`, as by `#SBATCH --signal`
        os.kill(int(child), signal.SIGTERM)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert Path("requeued").read_text() == f"requeue {os.getpid()}\n"
    assert "2 processes" in output and "stopped after " in errors
    output, errors = start_job(tmp_path).communicate(timeout=300)
    assert "resuming: " in output and "next: simvp viz" in output, output + errors
    assert len(Path("requeued").read_text().splitlines()) == 1
    straight = [sys.executable, "-m", "simvp", "train", "--nproc", "2", "--name", "one"]
    straight += ["--config", "small.toml"]
    subprocess.run(straight, check=True, capture_output=True, timeout=300)
    assert_same(run_state(Path("work_dirs/ocean")), run_state(Path("work_dirs/one")))
    tally("time limit of a Slurm job; continued, bitwise the same at the end", True)
