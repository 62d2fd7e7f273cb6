"""How the lower ranks tell what happens, without knowing who listens or how it is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Summary:
    """The end of a command: what it did and wrote, and the command to run next."""

    lines: list[str] = field(default_factory=list)
    next_command: str = ""


# Called with the number of items done since the last call, and a few words on where we are.
Advance = Callable[[int, str], None]


class Report:
    """Says nothing: what every process but the first one uses, and tests."""

    def say(self, line: str) -> None:
        """One line of news."""

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        """A job of `total` items, `done` of them before it begins."""
        yield lambda count, note: None
