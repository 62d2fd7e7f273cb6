"""Options for the command that a summary recommends next, quoted for a shell."""

import re
import shlex

from simvp.config import Config
from simvp.runs import RunFolder


def data_option(config: Config) -> str:
    """The option that finds the same data, with a leading space; empty if it is the default."""
    path, default = config.data.path, type(config.data)().path
    return f" --data-path {shlex.quote(path)}" if path != default else ""


def test_option(folder: RunFolder) -> str:
    """The option that finds the forecasts of a test, with a leading space; empty for the usual."""
    is_usual = folder.saved.parent == folder.path
    return "" if is_usual else f" --test {shlex.quote(folder.saved.name)}"


def short_id(sample_id: str) -> str:
    """A sample's id without the hash that `simulate` puts before it."""
    return re.sub(r"^[0-9a-f]{64}_", "", sample_id)
