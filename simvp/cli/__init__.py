"""The command line: parses options, calls `simvp.commands`, prints and sets exit codes."""

from simvp.cli import data, runs, viz  # noqa: F401  # their commands, in this order in the help
from simvp.cli.app import app

__all__ = ["app"]
