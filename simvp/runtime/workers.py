"""Independent tasks, done in several processes."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from simvp.errors import RunFailed, SimvpError

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_AHEAD = 2  # given to a worker, so that it need not wait until we have finished one of ours
_PATIENCE = 1.0  # seconds to finish a task that nobody waits for any more


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Iterator[Result]:
    """The results of the tasks, as they come; one of the processes is this one.

    Raises: what `function` raises of our errors; RunFailed if a process broke down.
    """
    if processes == 1:  # nothing to begin, not even what watches over the others
        yield from map(function, tasks)
        return
    todo = iter(tasks)
    workers: dict[Connection, SpawnProcess] = {}
    try:
        with _interrupts_later():  # the processes that begin here never see one: we end them
            for _ in range(processes - 1):
                connection, worker = _begin(function)
                workers[connection] = worker
        for connection in workers:
            _give(connection, [next(todo, None) for _ in range(_TASKS_AHEAD)])
        working = set(workers)
        for task in todo:
            yield function(task)
            yield from _results(workers, working, todo, timeout=0)
        while working:
            yield from _results(workers, working, todo, timeout=None)
    finally:
        for connection in workers:
            connection.close()  # who tells a result now learns that it is no longer wanted
        for worker in workers.values():
            worker.join(_PATIENCE)
            worker.terminate()


def _results(
    workers: dict[Connection, SpawnProcess],
    working: set[Connection],
    todo: Iterator[object],
    *,
    timeout: float | None,
) -> Iterator[Any]:
    """What workers have found until now, each of whom is given another task; None waits for one."""
    for ready in wait(list(working), timeout):
        assert isinstance(ready, Connection)
        try:
            result = ready.recv()
        except (EOFError, ConnectionError):
            working.remove(ready)
            _check_finished(workers[ready])
            continue
        if isinstance(result, SimvpError):
            raise result
        _give(ready, [next(todo, None)])
        yield result


def _give(connection: Connection, tasks: list[Any]) -> None:
    """Tasks for a worker; None for no more of them."""
    with suppress(ConnectionError):  # that it is gone is seen where results are read
        for task in tasks:
            connection.send(task)


def _begin(function: Callable[[Task], Result]) -> tuple[Connection, SpawnProcess]:
    # A forked process would inherit locks that our threads hold at that moment.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(function, theirs))
    worker.start()
    theirs.close()  # here; that the worker has closed it is then the end of its results
    return ours, worker


def _work(function: Callable[[Task], Result], connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where blocking it is not inherited
    with suppress(EOFError, ConnectionError):  # who asked is gone, whatever ended it
        try:
            while (task := connection.recv()) is not None:
                connection.send(function(task))
        except SimvpError as error:
            connection.send(error)


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
