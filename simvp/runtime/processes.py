"""Number of processes and cores, and independent tasks over several processes."""

import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeVar

from simvp.errors import Interrupted, RunFailed

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def processes_on_machine(environment: Mapping[str, str] = os.environ) -> int:
    """Number of processes that torchrun or Slurm started on this machine; 1 without them."""
    if "LOCAL_WORLD_SIZE" in environment:
        return int(environment["LOCAL_WORLD_SIZE"])
    # Slurm gives the counts of all machines, such as 8(x3),2.
    counts = re.findall(r"(\d+)(?:\(x\d+\))?", environment.get("SLURM_STEP_TASKS_PER_NODE", "1"))
    return max(map(int, counts))


def map_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    processes: int,
    *,
    remedy: str = "files written so far are complete. Run the same command again to resume",
) -> Iterator[Result]:
    """Yield `function(task)` for each task, in order.

    Args:
        function: a function that can be pickled.
        processes: number of worker processes; 1 computes in this process.
        remedy: end of the messages of RunFailed and Interrupted.
    Raises: whatever `function` raises; RunFailed if a worker process dies; with several processes,
        Interrupted on SIGTERM.
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    # Spawn, because a forked process would inherit locks held by other threads.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, initializer=_follow_parent)
    on_sigterm = signal.signal(signal.SIGTERM, partial(_raise_interrupted, remedy))
    try:
        with _blocked_sigint():  # Workers inherit it. Those that still import modules would print
            results = executor.map(function, tasks)  # a traceback on Ctrl-C.
        yield from results
    except BrokenProcessPool:
        raise RunFailed(
            f"a worker process died, possibly because memory ran out; {remedy}"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, on_sigterm)
        executor.shutdown(cancel_futures=True)


@contextmanager
def _blocked_sigint() -> Iterator[None]:
    """Delay SIGINT, which the Windows console cannot, until the block ends."""
    if sys.platform == "win32":
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _follow_parent() -> None:
    """In a worker: ignore SIGINT, which the parent handles, and exit when the parent dies.

    An idle worker of ProcessPoolExecutor would otherwise wait forever for a parent that was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    exit_after(parent.join)


def exit_after(wait: Callable[[], None]) -> None:
    """Exit this process as soon as `wait`, called in a background thread, returns."""

    def watch() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="exit").start()


def _raise_interrupted(remedy: str, signum: int, frame: FrameType | None) -> None:
    raise Interrupted(signum, f"terminated; {remedy}")
