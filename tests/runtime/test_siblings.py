"""A process whose sibling was killed exits; one whose sibling has left goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import Tally

from simvp.runtime import siblings

# Stays in the group for the seconds given last, and ignores SIGTERM.
PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from simvp.runtime.group import process_group
from simvp.runtime.siblings import exit_with_siblings

signal.signal(signal.SIGTERM, signal.SIG_IGN)
with process_group("cpu", timeout_minutes=1) as group:
    with exit_with_siblings(group, Path(sys.argv[1])):
        print("joined", flush=True)
        time.sleep(float(sys.argv[2]))
"""


@contextmanager
def pair(folder: Path, *seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of a group that stay in it for `seconds`."""
    common = {"WORLD_SIZE": "2", "SIMVP_STORE": str(folder / "store"), "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder / "left"), str(stay)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, stay in enumerate(seconds)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "joined\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("killed", [0, 1])
def test_process_exits_soon_after_its_sibling_was_killed(killed: int, tmp_path: Path) -> None:
    with pair(tmp_path, 60, 60) as processes:
        other = processes[1 - killed]
        processes[killed].send_signal(signal.SIGKILL)
        processes[killed].wait()
        started = time.monotonic()
        assert other.wait(timeout=30) == 1
        assert time.monotonic() - started >= siblings._GRACE_SECONDS


def test_process_goes_on_after_its_sibling_has_left(tmp_path: Path) -> None:
    stay = siblings._GRACE_SECONDS + 3
    with pair(tmp_path, stay, 0) as (longer, shorter):
        started = time.monotonic()
        assert shorter.wait(timeout=30) == 0
        assert longer.wait(timeout=30) == 0
        assert time.monotonic() - started > siblings._GRACE_SECONDS + 1


@pytest.mark.slow
def test_a_killed_process_ends_the_other_one_whatever_they_exchange(
    tmp_path: Path, tally: Tally
) -> None:
    script = Path(__file__).parents[1] / "killed_pairs.py"
    command = [sys.executable, str(script), str(tmp_path), "200"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in output.splitlines()]
    assert len(found) == 200
    for seconds, code in found:
        fault = "SIGKILL of one of two processes while they exchange data; the other ends in 10 s"
        tally(fault, float(seconds) < 10 and code == "1")
