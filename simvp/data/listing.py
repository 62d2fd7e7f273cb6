"""Files of a folder, in natural order: frame_2 before frame_10."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from simvp.data.access import unreadable

_NUMBER = re.compile(r"(\d+)", re.ASCII)


def files_in(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Names of the files with these suffixes, in natural order, hidden files left out.

    Links are listed even if they lead nowhere, so that reading them reports the lost file. Upper
    and lower case of the suffixes does not matter.
    Raises: DataError if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:  # an entry knows its type without a system call
            files = [entry.name for entry in entries if entry.is_file() or entry.is_symlink()]
    except OSError as error:
        raise unreadable(folder, error) from None
    endings = tuple(suffixes)
    names = (name for name in files if name[0] != "." and name.lower().endswith(endings))
    return sorted(names, key=natural_key)


def files_of(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """The path itself, or the files of a folder as in `files_in`.

    Raises: DataError if the folder cannot be read.
    """
    return [path / name for name in files_in(path, suffixes)] if path.is_dir() else [path]


def main_files(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """As `files_in`, if most of what the folder holds are such files; otherwise none of them.

    A figure beside the files of another format does not make an image folder.
    """
    names = files_in(folder, suffixes)
    others = sum(name[0] != "." for name in os.listdir(folder)) - len(names)
    return names if len(names) > others else []


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name, hidden ones left out."""
    return sorted(p for p in folder.iterdir() if p.name[0] != "." and p.is_dir())


def natural_key(name: str) -> tuple[list[str], list[int], str]:
    """Sorts frame_2 before frame_10."""
    parts = split_numbers(name)
    return parts[::2], [int(digits) for digits in parts[1::2]], name


def split_numbers(name: str) -> list[str]:
    """Text and digits in turn: `run_7_b` is `run_`, `7`, `_b`."""
    return _NUMBER.split(name)
