"""Paths of data that do not exist, or that cannot be read."""

import os
import re
from pathlib import Path

from simvp.errors import DataError

_WILDCARDS = re.compile(r"[*?\[]")


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern of file names, such as `sst_*.nc`, and no file itself."""
    is_wild = _WILDCARDS.search(path.name) is not None
    return is_wild and path.parent.is_dir() and not path.exists()


def check_exists(path: Path) -> None:
    """Raises DataError if there is no such file or folder, or no file matches a pattern.

    So it does if it is a folder that may not be read.
    """
    try:
        found = any(path.parent.glob(path.name)) if is_pattern(path) else os.path.lexists(path)
    except (OSError, ValueError):  # ValueError: a path that no system accepts
        found = False
    if found:
        check_folder(path)
        return
    problem = "there is no such file or folder"
    if _WILDCARDS.search(path.name):
        problem = "no file matches this pattern"
    from simvp.config.sections import DataSection  # processes that simulate start without pydantic

    is_default = str(path) == DataSection.model_fields["path"].default
    make = "make data with `simvp simulate`, or name yours with --data-path"
    raise DataError(f"{path}: {problem}; {make if is_default else 'check the path'}")


def check_folder(path: Path) -> None:
    """Raises DataError if a path is a folder that may not be listed or searched."""
    try:
        if path.is_dir():
            os.scandir(path).close()
            os.stat(os.path.join(path, os.curdir))
    except OSError as error:
        raise unreadable(path, OSError(error.errno, error.strerror)) from None


def check_readable(path: Path) -> None:
    """Raises DataError if a path, or a file or folder directly in it, cannot be read."""
    try:
        _open(path)
        entries = os.scandir(path) if path.is_dir() else ()
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name[0] != ".":
                _open(Path(entry.path))
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path | str, error: OSError) -> DataError:
    """The error for a file or folder that the system does not let this process read."""
    where = error.filename if isinstance(error.filename, str) else path
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DataError(f"{where}: cannot be read ({reason}); check its permissions")


def _open(path: Path) -> None:
    """Open a file or folder, nothing else, and close it again. Raises OSError."""
    if path.is_dir():
        os.scandir(path).close()
    elif path.is_file():
        open(path, "rb").close()
