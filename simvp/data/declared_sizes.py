"""Sizes that files declare: an array of terabytes in a file of kilobytes is refused, not read."""

import os
from collections.abc import Iterator
from pathlib import Path

from simvp.errors import DataError

# Any file may declare this many bytes of values, and otherwise this many for each byte it has.
# Deflate packs up to 1032 bytes into one (zlib manual), and parts of an array may be unwritten.
_ALWAYS, _PER_BYTE = 2**28, 10_000


def check_declared(path: str | Path, name: str, nbytes: int) -> None:
    """Check the size of an array before memory is allocated for it.

    Args:
        path: the file, or the folder of a Zarr store.
        name: of the array.
        nbytes: size of all its values.
    Raises: DataError if the file is much too small to hold them.
    """
    allowed = _ALWAYS
    if nbytes <= allowed:
        return
    for size in _sizes(Path(path)):
        allowed += _PER_BYTE * size
        if nbytes <= allowed:
            return
    size = (allowed - _ALWAYS) // _PER_BYTE
    raise DataError(
        f"{path}: {name} declares {nbytes / 1e9:.3g} GB of values, but the file has only "
        f"{size / 1e3:.3g} kB; it is damaged, or was never filled with data. Write it again"
    )


def _sizes(path: Path) -> Iterator[int]:
    """Sizes of a file, or of the files in a folder."""
    if not path.is_dir():
        yield path.stat().st_size
        return
    for folder, _, files in os.walk(path):
        for file in files:
            yield os.stat(os.path.join(folder, file)).st_size
