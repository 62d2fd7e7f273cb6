"""Independent tasks, done in several processes."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TypeVar

from simvp.errors import RunFailed, SimvpError

Task = TypeVar("Task")
Result = TypeVar("Result")

_PATIENCE = 1.0  # seconds to finish a task that nobody waits for any more


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], processes: int
) -> Iterator[Result]:
    """The results of the tasks, as they come; one process is this one.

    Raises: what `function` raises of our errors; RunFailed if a process broke down.
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    workers: dict[Connection, SpawnProcess] = {}
    try:
        with _interrupts_later():  # the processes that begin here never see one: we end them
            for k in range(processes):
                results, worker = _begin(function, tasks[k::processes])
                workers[results] = worker
        working = set(workers)
        while working:
            for ready in wait(list(working)):
                assert isinstance(ready, Connection)
                try:
                    result = ready.recv()
                except EOFError:
                    working.remove(ready)
                    _check_finished(workers[ready])
                    continue
                if isinstance(result, SimvpError):
                    raise result
                yield result
    finally:
        for results in workers:
            results.close()  # who tells a result now learns that it is no longer wanted
        for worker in workers.values():
            worker.join(_PATIENCE)
            worker.terminate()


def _begin(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> tuple[Connection, SpawnProcess]:
    # A forked process would inherit locks that our threads hold at that moment.
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(function, tasks, writer))
    worker.start()
    writer.close()  # ours; the end of the worker's is then the end of its results
    return reader, worker


def _work(function: Callable[[Task], Result], tasks: Sequence[Task], results: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where blocking it is not inherited
    with suppress(BrokenPipeError):  # the process that asked is gone, whatever ended it
        try:
            for task in tasks:
                results.send(function(task))
        except SimvpError as error:
            results.send(error)


def _check_finished(worker: SpawnProcess) -> None:
    worker.join()
    if worker.exitcode != 0:
        raise RunFailed(
            f"one of the processes that share the work broke down (exit code {worker.exitcode}), "
            "perhaps for want of memory; what was written before is whole, and the same command "
            "goes on from there"
        )


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold back an interrupt until the block ends; what begins in the block holds it for good."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # where it begins by itself, it lets interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
