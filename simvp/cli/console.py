"""Console output: messages and results on standard output, progress on standard error."""

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
    """Messages on standard output; progress bars only if standard error is a terminal."""

    def __init__(self) -> None:
        self._live: Progress | None = None

    def say(self, line: str) -> None:
        if self._live is not None and sys.stdout.isatty():
            # Rich prints the line above the bar.
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Advance]:
        if not sys.stderr.isatty():
            yield lambda count, note: None
            return
        from simvp.cli.bar import progress_bar

        with progress_bar() as self._live:
            task = self._live.add_task(description, total=total, completed=done, note="")
            live = self._live
            try:
                yield lambda count, note: live.update(task, advance=count, note=note)
            finally:
                self._live = None


def show(summary: Summary) -> None:
    """Print the result of a command."""
    for line in summary.lines:
        print(line)
    if summary.next_command:
        print(f"next: {summary.next_command}")


@contextmanager
def exit_codes() -> Iterator[None]:
    """Report SimvpError, out-of-memory errors and Ctrl-C as a message and an exit code."""
    try:
        yield
    except SimvpError as error:
        raise _report_error(error) from None
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = (str(error) or "MemoryError").splitlines()[0]
        failure = RunFailed(
            f"out of memory ({reason}); files saved so far are intact. Lower --batch-size or "
            "--val-batch-size, or choose a smaller network (`simvp train --print-model` estimates "
            "its memory)"
        )
        raise _report_error(failure) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(130) from None


def _report_error(error: SimvpError) -> typer.Exit:
    """Print the error, or pass it to the launcher of this process. Returns the exit to raise."""
    from simvp.runtime.launcher import pass_to_launcher

    if not pass_to_launcher(error):
        print(f"error: {error}" if error.exit_code <= 2 else str(error), file=sys.stderr)
    return typer.Exit(error.exit_code)


def _is_out_of_memory(error: Exception) -> bool:
    # torch.OutOfMemoryError covers GPUs only; the CPU allocator raises RuntimeError.
    phrases = ("out of memory", "allocate memory")
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in phrases)
