"""Map independent tasks over several processes."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import TypeVar

from simvp.errors import Interrupted, RunFailed

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def map_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Iterator[Result]:
    """Yield `function(task)` for each task, in order.

    Args:
        function: a function that can be pickled.
        processes: number of worker processes; 1 computes in this process.
    Raises: whatever `function` raises; RunFailed if a worker process dies; with several processes,
        Interrupted on SIGTERM.
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    # Spawn, because a forked process would inherit locks held by other threads.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, initializer=_follow_parent)
    on_sigterm = signal.signal(signal.SIGTERM, _raise_interrupted)
    # Workers inherit an ignored SIGINT. Otherwise, Ctrl-C would also reach workers that are still
    # importing modules, and each would print a traceback.
    on_sigint = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        results = executor.map(function, tasks)  # starts the workers
        signal.signal(signal.SIGINT, on_sigint)
        yield from results
    except BrokenProcessPool:
        raise RunFailed(
            "a worker process died, possibly because memory ran out; files written so far are "
            "complete. Run the same command again to resume"
        ) from None
    finally:
        signal.signal(signal.SIGINT, on_sigint)
        signal.signal(signal.SIGTERM, on_sigterm)
        executor.shutdown(cancel_futures=True)


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


def _raise_interrupted(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(
        signum,
        "terminated; files written so far are complete. Run the same command again to resume",
    )
