"""Tasks in several processes: results and errors."""

import os
from pathlib import Path

import pytest
from worker_tasks import exit_at_task_5, process_id

from simvp.data.sources.frames import read_frame
from simvp.errors import DataError, RunFailed
from simvp.runtime.processes import map_tasks, processes_on_machine


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("words", ["", "a", "abcde", "abcdefghij"])
def test_results_are_in_order(words: str, processes: int) -> None:
    assert list(map_tasks(str.upper, words, processes)) == list(words.upper())


def test_all_workers_are_used() -> None:
    workers = set(map_tasks(process_id, range(300), 2))
    assert len(workers) == 2 and os.getpid() not in workers


def test_error_of_a_task_is_raised_in_the_parent() -> None:
    with pytest.raises(DataError, match=r"no\.npy: expected the file of a frame, found nothing"):
        list(map_tasks(read_frame, [Path("no.npy")], 2))


def test_death_of_a_worker_is_reported() -> None:
    with pytest.raises(RunFailed, match="a worker process died"):
        list(map_tasks(exit_at_task_5, range(30), 2))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 1),
        ({"LOCAL_WORLD_SIZE": "4"}, 4),
        ({"SLURM_STEP_TASKS_PER_NODE": "8"}, 8),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x3),16,4(x2)"}, 16),
    ],
)
def test_processes_on_machine_are_those_of_the_launcher(
    environment: dict[str, str], expected: int
) -> None:
    assert processes_on_machine(environment) == expected
