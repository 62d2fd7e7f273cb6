"""Interface through which commands report messages and progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Summary:
    """Result of a command: the lines to print and the command to run next."""

    lines: list[str] = field(default_factory=list)
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
