"""Files in the .npy format, read without running code or allocating more than a file holds."""

import math
import os
import tokenize
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from simvp.errors import DataError

MAGIC = b"\x93NUMPY"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of an archive with members, or without any

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
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
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
    remedy = f"save the {noun} again with numpy.save"
    if not os.path.isfile(path):  # opening a FIFO would block
        found = "something else" if os.path.lexists(path) else "nothing"
        article = "an" if noun[0] in "aeiou" else "a"
        raise DataError(f"{path}: expected the file of {article} {noun}, found {found}; {remedy}")
    try:
        with open(path, "rb") as file:
            if file.read(4) in ZIP_MAGIC:
                raise DataError(f"{path}: is an .npz archive, not one .npy array; {remedy}")
            file.seek(0)
            shape, is_fortran, dtype = read_header(file)
            offset, size = file.tell(), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except INVALID_HEADER:
        offset, size, shape, dtype = 1, 0, (), np.dtype("u1")
    expected = offset + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise DataError(
            f"{path}: holds Python objects, which are never loaded; save it as an array of numbers"
        )
    if size < expected:
        raise DataError(f"{path}: is truncated, or not an .npy file of numbers; {remedy}")
    if size > expected:
        raise DataError(f"{path}: has {size} bytes, but its header says {expected}; {remedy}")
    if not is_number(dtype):
        raise DataError(f"{path}: holds {dtype}; {noun}s are integers or floats up to 64 bits")
    if 0 in shape:
        raise DataError(f"{path}: has shape {shape}: it is empty; {remedy}")
    return np.memmap(path, dtype, "r", offset, shape, "F" if is_fortran else "C")
