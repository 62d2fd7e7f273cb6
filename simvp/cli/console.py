"""What the user sees: news and results on standard output, progress on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from simvp.errors import RunFailed, SimvpError
from simvp.progress import Advance, Report, Summary

if TYPE_CHECKING:
    from rich.progress import Progress


class ConsoleReport(Report):
    """Progress bars in a terminal; plain lines only, when standard error is something else."""

    def __init__(self) -> None:
        self._live: Progress | None = None

    def say(self, line: str) -> None:
        if self._live is not None and sys.stdout.isatty():
            # Above the bar, which is drawn again below it.
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        if not sys.stderr.isatty():
            yield lambda count, note: None
            return
        from simvp.cli.bar import progress_bar

        with progress_bar() as self._live:
            task = self._live.add_task(what, total=total, completed=done, note="")
            live = self._live
            try:
                yield lambda count, note: live.update(task, advance=count, note=note)
            finally:
                self._live = None


def show(summary: Summary) -> None:
    """Print the end of a command."""
    for line in summary.lines:
        print(line)
    if summary.next_command:
        print(f"next: {summary.next_command}")


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what a user can cause into one message on standard error and an exit code."""
    try:
        yield
    except SimvpError as error:
        raise _told(error) from None
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = (str(error) or "MemoryError").splitlines()[0]
        failure = RunFailed(
            f"out of memory ({reason}); what was saved before is good. Lower --batch-size or "
            "--val-batch-size, or choose a smaller network: `simvp train --print-model` tells what "
            "it needs"
        )
        raise _told(failure) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(130) from None


def _told(error: SimvpError) -> typer.Exit:
    """Print the error, or leave it to the launcher of this process; what to leave with."""
    from simvp.runtime.launcher import leave_message

    if not leave_message(error):
        print(f"error: {error}" if error.exit_code <= 2 else str(error), file=sys.stderr)
    return typer.Exit(error.exit_code)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch has a class of its own for GPUs only; on CPUs its allocator raises RuntimeError.
    words = ("out of memory", "allocate memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)
