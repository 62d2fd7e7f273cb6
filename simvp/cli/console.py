"""Console output: messages and results on standard output, progress on standard error."""

import errno
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from simvp.errors import Interrupted, RunFailed, SimvpError, UserError
from simvp.progress import Advance, Report, Summary, Table

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text


class ConsoleReport(Report):
    """Messages on standard output; progress bars only if standard error is a terminal."""

    def say(self, line: str) -> None:
        print(line, flush=True)

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Advance]:
        if not sys.stderr.isatty():
            yield lambda count, note: None
            return
        with _progress_bar() as (bar, note):
            task = bar.add_task(description, total=total, completed=done, rate="")

            def advance(count: int, text: str) -> None:
                speed = bar.tasks[0].speed or 0
                rate = f"{speed:.1f}/s" if speed >= 1 or not speed else f"{1 / speed:.1f} s each"
                note.plain = text
                bar.update(task, advance=count, rate=rate)

            yield advance


@contextmanager
def _progress_bar() -> Iterator[tuple["Progress", "Text"]]:
    """A bar on standard error with count, rate and time left; removed when complete.

    The text is shown in a line below the bar unless it is empty.
    """
    from rich.console import Console, Group  # importing rich is slow
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    from rich.text import Text

    console = Console(stderr=True)
    bar = Progress(
        "{task.description}",
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        "{task.fields[rate]}",
        TimeRemainingColumn(),
        "left",
        console=console,
        expand=True,
        speed_estimate_period=120,
    )
    note = Text(no_wrap=True, overflow="ellipsis")
    with Live(
        get_renderable=lambda: Group(bar, note) if note else bar,
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # messages appear above the bar
        redirect_stderr=False,
    ):
        yield bar, note


def show(summary: Summary) -> None:
    """Print the result of a command."""
    for item in summary.lines:
        if isinstance(item, Table) and sys.stdout.isatty():
            _print_table(item)
        else:
            print(item)
    if summary.next_command:
        print(f"next: {summary.next_command}")


def _print_table(table: Table) -> None:
    """Print a table that fits the width of the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    styled = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, title in enumerate(table.header):
        styled.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        styled.add_row(*map(Text, row))  # not as markup: names come from files
    Console().print(styled)


# What any access to a path can fail with, whatever the program does.
_CAUSED_BY_PATHS = {
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE),
}
_PATH_ADVICE = "check the path and the disk, or choose another path"
_PERMISSION_ADVICE = "check its permissions and those of the folders that it is in"


@contextmanager
def exit_codes(options: Mapping[str, str]) -> Iterator[None]:
    """Report SimvpError, errors of the system and Ctrl-C as a message and an exit code.

    Args:
        options: by name of a value, such as "--lr" for "train.lr". Where a message begins with
            `train.lr = `, it names the option instead.
    """
    try:
        yield
    except (KeyboardInterrupt, SimvpError, MemoryError, RuntimeError, OSError) as error:
        # torch.OutOfMemoryError covers GPUs only; the CPU allocator raises RuntimeError.
        phrases = ("out of memory", "allocate memory")
        failure: SimvpError
        if isinstance(error, KeyboardInterrupt):
            failure = Interrupted(signal.SIGINT, "interrupted")
        elif isinstance(error, SimvpError):
            failure = error
        elif isinstance(error, OSError) and error.errno in _CAUSED_BY_PATHS and error.filename:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            advice = _PERMISSION_ADVICE if denied else _PATH_ADVICE
            failure = UserError(f"{error.filename}: {error.strerror}; {advice}")
        elif isinstance(error, MemoryError) or any(phrase in str(error) for phrase in phrases):
            reason = (str(error) or "MemoryError").splitlines()[0]
            failure = RunFailed(
                f"out of memory ({reason}); files saved so far are intact. Lower --batch-size or "
                "--val-batch-size, or choose a smaller network (`simvp train --print-model` "
                "estimates its memory)"
            )
        else:
            raise
        from simvp.runtime.failures import pass_to_launcher

        if not pass_to_launcher(failure):
            prefix = "error: " if failure.exit_code <= 2 else ""
            name, separator, rest = str(failure).partition(" = ")
            print(f"{prefix}{options.get(name, name)}{separator}{rest}", file=sys.stderr)
        raise typer.Exit(failure.exit_code) from None
