"""Tasks in several processes: results, errors, and shutdown of all processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Simvp

from simvp.commands import simulate
from simvp.data.sources.frames import read_frame
from simvp.errors import DataError, RunFailed
from simvp.runtime.processes import map_tasks

# Runs simvp with two worker processes on any machine.
SHARED = """
import signal
from simvp.__main__ import main
from simvp.commands import simulate

simulate._PER_PROCESS, simulate.cores = 1, lambda: 2
if __name__ == "__main__":
    # Background jobs of a shell inherit an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
"""


EXPECTED = {
    signal.SIGINT: (130, "interrupted\n"),
    signal.SIGTERM: (
        143,
        "terminated; files written so far are complete. Run the same command again to resume\n",
    ),
    signal.SIGKILL: (-9, ""),
}


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("words", ["", "a", "abcde", "abcdefghij"])
def test_results_are_in_order(words: str, processes: int) -> None:
    assert list(map_tasks(str.upper, words, processes)) == list(words.upper())


def _process(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_all_workers_are_used() -> None:
    workers = set(map_tasks(_process, range(300), 2))
    assert len(workers) == 2 and os.getpid() not in workers


def test_errors_of_a_task_are_raised_here() -> None:
    with pytest.raises(DataError, match=r"no\.npy: expected the file of a frame, found nothing"):
        list(map_tasks(read_frame, [Path("no.npy")], 2))


def _die(task: int) -> None:
    if task == 5:
        os._exit(1)


def test_death_of_a_worker_is_reported() -> None:
    with pytest.raises(RunFailed, match="a worker process died"):
        list(map_tasks(_die, range(30), 2))


def test_two_processes_simulate_the_same_samples(
    simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["simulate", "--samples", "20", "--frames", "3", "--image-size", "8"]
    simvp(*arguments, "--data-path", "alone")
    monkeypatch.setattr(simulate, "_PER_PROCESS", 1)
    monkeypatch.setattr(simulate, "cores", lambda: 2)
    arguments += ["--data-path", "shared"]
    simvp(*arguments)
    result = simvp(*arguments)
    assert "0 made, 20 were there already" in result.stdout
    for path in Path("alone").glob("*/*.npy"):
        assert path.read_bytes() == Path("shared", *path.parts[1:]).read_bytes()
    assert len(list(Path("shared").glob("*/*.npy"))) == 60
    wrong = next(Path("shared").glob("*_9/2.npy"))
    np.save(wrong, np.zeros((1, 8, 8), np.float32))
    assert f"{wrong}: exists already and differs" in simvp(*arguments, code=2).stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_processes_exit_with_the_command(tmp_path: Path, signum: int) -> None:
    """SIGINT is sent to all processes, as by Ctrl-C; the other signals only to the parent."""
    (tmp_path / "shared.py").write_text(SHARED)
    command = [sys.executable, "shared.py", "simulate", "--samples", "50000", "--frames", "4"]
    command += ["--image-size", "16"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not any(tmp_path.glob("boiling_data/*_boiling_*")):
            assert process.poll() is None, "simulate finished before the signal"
            time.sleep(0.01)
        if signum == signal.SIGINT:
            os.killpg(process.pid, signum)
        else:
            process.send_signal(signum)
        process.wait(10)
        deadline = time.monotonic() + 10
        while _is_alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_alive(process.pid)
        assert process.stderr is not None
        lines = process.stderr.readlines()
        if signum == signal.SIGKILL:
            # The resource tracker of Python warns when it removes semaphores of a killed process.
            lines = [x for x in lines if "resource_tracker" not in x and "warn(" not in x]
        code, message = EXPECTED[signum]
        assert (process.returncode, "".join(lines)) == (code, message)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
