"""Files in the .npy format, read without running code or allocating more than a file holds."""

import functools
import io
import math
import os
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.errors import DataError

MAGIC = b"\x93NUMPY"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of an archive with members, or without any
_LONGEST_HEADER = 10_000  # bytes; NumPy's own limit, since it parses headers as Python literals

# What NumPy raises for a damaged header, which it parses as a Python literal.
INVALID_HEADER = (
    *(ValueError, EOFError, TypeError, OverflowError),
    *(SyntaxError, tokenize.TokenError, RecursionError, MemoryError),
)


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether values are integers or floats of up to 64 bits."""
    return dtype.kind in "fiu" and dtype.itemsize <= 8


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header at the position of a file: shape, whether in Fortran order, and type.

    Raises: one of `INVALID_HEADER` if there is none.
    """
    start = file.read(len(MAGIC) + 2)  # and the version
    length = file.read(2 if start.endswith(b"\x01\x00") else 4)
    # NumPy refuses longer headers, and a damaged length may be gigabytes.
    text = file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER + 1))
    return _parse_header(start + length + text)


@functools.lru_cache(maxsize=64)  # the frames of a data set have the same header
def _parse_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file, _LONGEST_HEADER)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file, _LONGEST_HEADER)
    else:  # version 3 serves structured types only
        raise ValueError(f"unknown version {version}")
    if min(shape, default=0) < 0 or len(shape) > 32:
        raise ValueError(f"invalid shape {shape}")
    return tuple(map(int, shape)), is_fortran, dtype


def map_array(path: str | Path, *, noun: str) -> NDArray[np.number]:
    """Map the array of a file into memory, with its stored type and axes.

    Args:
        noun: what the file holds, for messages.
    Raises: DataError if it is not a whole array of numbers.
    """
    with _opened(path, noun) as file:
        shape, order, dtype = _read_layout(file, path, noun)
        return np.memmap(path, dtype, "r", file.tell(), shape, order)


def read_array(path: str | Path, *, noun: str) -> NDArray[np.number]:
    """Read the array of a file into memory, with its stored type and axes.

    For small files, this takes a third of the time of mapping them.

    Args:
        noun: what the file holds, for messages.
    Raises: DataError if it is not a whole array of numbers.
    """
    with _opened(path, noun) as file:
        shape, order, dtype = _read_layout(file, path, noun)
        values = file.read()
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise DataError(f"{path}: has changed while it was in use; start again")
    return np.frombuffer(values, dtype).reshape(shape, order=order)


@contextmanager
def _opened(path: str | Path, noun: str) -> Iterator[IO[bytes]]:
    """Open a file for reading. Raises DataError for this and for failures to read it within."""
    if not os.path.isfile(path):  # opening a FIFO would block
        found = "something else" if os.path.lexists(path) else "nothing"
        article = "an" if noun[0] in "aeiou" else "a"
        raise DataError(
            f"{path}: expected the file of {article} {noun}, found {found}; {_remedy(noun)}"
        )
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise unreadable(path, error) from None


def _read_layout(
    file: IO[bytes], path: str | Path, noun: str
) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    """Read the header of an opened file: shape, order of the values in memory, and type.

    The size of the file is checked, so that nothing it claims can allocate more memory than that.
    Raises: DataError if the file is not a whole array of numbers.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        shape, is_fortran, dtype = read_header(file)
        expected = file.tell() + math.prod(shape) * dtype.itemsize
    except INVALID_HEADER:
        file.seek(0)
        if file.read(4) in ZIP_MAGIC:
            raise DataError(
                f"{path}: is an .npz archive, not one .npy array; {_remedy(noun)}"
            ) from None
        shape, is_fortran, dtype, expected = (), False, np.dtype("u1"), size + 1
    if dtype.hasobject:
        raise DataError(
            f"{path}: holds Python objects, which are never loaded; save it as an array of numbers"
        )
    if size < expected:
        raise DataError(f"{path}: is truncated, or not an .npy file of numbers; {_remedy(noun)}")
    if size > expected:
        raise DataError(
            f"{path}: has {size} bytes, but its header says {expected}; {_remedy(noun)}"
        )
    if not is_number(dtype):
        raise DataError(f"{path}: holds {dtype}; {noun}s are integers or floats up to 64 bits")
    if 0 in shape:
        raise DataError(f"{path}: has shape {shape}: it is empty; {_remedy(noun)}")
    return shape, "F" if is_fortran else "C", dtype


def _remedy(noun: str) -> str:
    return f"save the {noun} again with numpy.save"
