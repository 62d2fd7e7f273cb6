"""`simvp simulate`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Simvp

from simvp.commands import simulate
from simvp.simulators import boiling


def test_each_system_has_its_folder(simvp: Simvp) -> None:
    small = ("--samples", "6", "--frames", "5", "--image-size", "16")
    result = simvp("simulate", "--system", "heat", *small, code=2)
    assert "--data-path heat_data" in result.stderr
    assert not Path("boiling_data").exists()
    simvp("simulate", "--system", "gray-scott", "--data-path", "d", *small)
    assert len(list(Path("d").glob("*_gray-scott_*"))) == 6
    assert "is for samples of gray-scott" in simvp("simulate", "--data-path", "d", code=2).stderr
    result = simvp("split", "--data-path", "d")
    assert "6 samples of 5 frames" in result.stdout
    wrong = simvp("simulate", "--system", "heat", "--increment", "3", "--data-path", "e", code=2)
    assert wrong.stderr == (
        "error: --increment = 3.0: heat has no such parameter; its parameters: diffusion.\n"
    )
    assert not Path("e").exists()


def test_parameters_affect_frames_and_increment_is_a_shorthand(simvp: Simvp) -> None:
    small = ("simulate", "--samples", "2", "--frames", "3", "--image-size", "8")
    simvp(*small, "--param", "increment=5", "--data-path", "a")
    simvp(*small, "--increment", "5", "--data-path", "b")
    initial = boiling.initial_state(8, np.random.default_rng([0, 1]))
    expected = boiling.simulate(initial, frames=3, increment=5.0)
    for folder in ("a", "b"):
        (sample,) = Path(folder).glob("*_boiling_1")
        for number in range(3):
            np.testing.assert_array_equal(np.load(sample / f"{number}.npy"), expected[number])
    refused = simvp(*small, "--data-path", "a", code=2)
    assert "perhaps because it was made with other parameters (--param)" in refused.stderr


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


# Runs simvp with two worker processes on any machine.
SHARED = """
import shutil
import signal
from simvp.__main__ import main
from simvp.commands import simulate

simulate._PER_PROCESS, simulate.cores = 1, lambda: 2
if __name__ == "__main__":
    # Background jobs of a shell inherit an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("signum", "code", "message"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted\n", id="SIGINT"),
        pytest.param(
            signal.SIGTERM,
            143,
            "terminated; files written so far are complete. Run the same command again to resume\n",
            id="SIGTERM",
        ),
        pytest.param(signal.SIGKILL, -9, "", id="SIGKILL"),
    ],
)
def test_all_processes_exit_with_the_command(
    tmp_path: Path, signum: int, code: int, message: str
) -> None:
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
        assert (process.returncode, "".join(lines)) == (code, message)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_simulate_adds_missing_frames_and_changes_no_others(simvp: Simvp, tmp_path: Path) -> None:
    command = ("simulate", "--frames", "4", "--image-size", "8", "--data-path", "my data")
    simvp(*command, "--samples", "2")
    before = {path: path.read_bytes() for path in Path("my data").rglob("*.npy")}
    (removed, *_) = before
    removed.unlink()
    result = simvp(*command, "--samples", "3")
    assert "2 made, 1 were there already" in result.stdout
    after = {path: path.read_bytes() for path in Path("my data").rglob("*.npy")}
    assert len(after) == 12
    assert before.items() <= after.items()
    refused = simvp(*command, "--samples", "3", "--increment", "11", code=2)
    assert "differs from what would be written" in refused.stderr
    assert {path: path.read_bytes() for path in Path("my data").rglob("*.npy")} == after


def test_two_simulations_of_one_folder_exclude_each_other(tmp_path: Path, simvp: Simvp) -> None:
    command = [sys.executable, "-m", "simvp", "simulate", "--frames", "4", "--image-size", "8"]
    both = [
        subprocess.Popen([*command, "--samples", "8000"], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes and set(codes) <= {0, 2}
    for code, error in zip(codes, errors, strict=True):
        assert "Traceback" not in error
        assert code == 0 or "another simvp process is writing to this folder" in error
    assert len(list(Path("boiling_data").glob("*_boiling_*"))) == 8000


def test_samples_that_vanish_while_simulating_are_noticed(
    simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = simulate.map_tasks

    def losing(*arguments: Any) -> Any:
        yield from original(*arguments)
        shutil.rmtree(next(Path("boiling_data").glob("*_boiling_3")))

    monkeypatch.setattr(simulate, "map_tasks", losing)
    result = simvp("simulate", "--samples", "9", "--frames", "2", "--image-size", "8", code=1)
    assert "boiling_data: another program removed 1 sample meanwhile" in result.stderr
