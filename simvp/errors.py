"""What a user can cause, as one small tree; anything else that is raised is our own fault.

SimvpError
├── UserError      usage, config or data is wrong; nothing was spoiled      exit code 2
│   ├── ConfigError    an option, a key or a value
│   ├── DataError      a data folder, a frame, a split file
│   ├── RunError       a run's folder, its checkpoints, its saved forecasts
│   └── OutputError    a place that cannot be written
├── RunFailed      training broke down while running                        exit code 1
│   └── PeerLost       another process of the group is gone
└── Interrupted    a signal asked us to stop, and the work is saved         exit code 128 + signal

Every message says where, what was found, what was needed and what to do.
"""

import difflib
from collections.abc import Iterable


class SimvpError(Exception):
    """Base of everything that the command line reports as a message instead of a traceback."""

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


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?` for the choices nearest to `word`, or an empty string."""
    known = list(choices)
    by_lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)
    near = near or [low for low in by_lower if word and word.lower() in low][:3]
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(by_lower[low]) for low in near) + "?"
