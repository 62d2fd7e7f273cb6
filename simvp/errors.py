"""Errors that users can cause or resolve. Any other exception is a bug in simvp.

SimvpError
├── UserError      invalid usage, config or data                            exit code 2
│   ├── ConfigError    an option, a key or a value
│   ├── DataError      a data folder, a frame or a split file
│   ├── RunError       a run folder, its checkpoints or saved forecasts
│   └── OutputError    a file or folder that cannot be written
├── RunFailed      a command failed while running                           exit code 1
│   └── PeerLost       the connection to another process of the group was lost
└── Interrupted    stopped by a signal, after saving                        exit code 128 + signal

Every message states where the problem is, what was found, what was expected and what to do.
"""

import difflib
from collections.abc import Iterable


class SimvpError(Exception):
    """Base class of the errors that the command line reports without a traceback."""

    exit_code = 1


class UserError(SimvpError):
    exit_code = 2


class ConfigError(UserError):
    pass


class DataError(UserError):
    pass


class RunError(UserError):
    pass


class OutputError(UserError):
    pass


class RunFailed(SimvpError):
    pass


class PeerLost(RunFailed):
    pass


class Interrupted(SimvpError):
    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


def plain_reason(message: str) -> str:
    """What pydantic found wrong with a value: `should be a valid integer`."""
    reason = message.removeprefix("Value error, ").replace("Input should", "should")
    return reason.partition(", unable to parse")[0]


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?` for the choices closest to `word`, or an empty string."""
    by_lower = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)
    matches = matches or [lower for lower in by_lower if word and word.lower() in lower][:3]
    if not matches:
        return ""
    return " Did you mean " + " or ".join(repr(by_lower[lower]) for lower in matches) + "?"
