"""Interface through which commands report messages and progress; wording of numbers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


def plural(number: int, noun: str) -> str:
    """`1 window`, `2 windows`."""
    return f"{number} {noun}" + "s" * (number != 1)


@dataclass(frozen=True)
class Table:
    """A table to print. The first column is aligned to the left, the others to the right.

    Attributes:
        header: a title for each column.
        rows: as many cells each.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Plain text, a line for the header and one for each row."""
        table = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if number == 0 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        )


@dataclass(frozen=True)
class Summary:
    """Result of a command: the lines and tables to print, and the command to run next."""

    lines: Sequence[str | Table] = field(default_factory=list)
    next_command: str = ""


# Called with the number of items completed since the last call and a short status text.
Advance = Callable[[int, str], None]


class Report:
    """Discards all messages. Used in tests and in all processes except rank 0."""

    def say(self, line: str) -> None:
        """Print a message."""

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show the progress of `total` items, of which `done` are already complete."""
        yield lambda count, note: None


class ProgressOnly(Report):
    """Shows progress under another description, and discards messages."""

    def __init__(self, report: Report, description: str) -> None:
        self.report, self.description = report, description

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Advance]:
        with self.report.progress(self.description, total, done) as advance:
            yield advance
