"""Numeric variables of MATLAB files of version 5 (MathWorks, "MAT-File Format").

SciPy's reader is not used: it trusts the type codes in the file, and a damaged file makes the
process crash (SciPy 1.17, read_var_array).
"""

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.data.memory_cache import cached_array, too_large
from simvp.data.npy import is_number
from simvp.data.stored_arrays import Index, StoredArray
from simvp.errors import DataError

REMEDY = "save it again in MATLAB with save(..., '-v7.3')"
OBJECTS = "is a struct or a cell array; save its field as an array"

_HEADER_SIZE = 128
_MATRIX, _COMPRESSED = 14, 15
_HEADERS_SIZE = 1024  # of a variable: flags, up to 32 sizes and a name of up to 63 letters
_COMPLEX, _LOGICAL = 0x800, 0x200  # flags
_OPAQUE = 17  # class of an object, which has no sizes

# Classes of variables, and types of stored values. A class may be stored in a smaller type.
_CLASSES = {
    **{4: "U1", 6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"},
    **{14: "i8", 15: "u8"},
}
_STORED = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"},
    **{12: "i8", 13: "u8"},
}


@dataclass(frozen=True)
class Mat5Array(StoredArray):
    """A variable. Compressed ones are read as a whole, once per process.

    Attributes:
        position: of the variable in the file.
        compressed_size: in bytes; None if it is not compressed.
        offset: position of the values within the variable, after decompression.
        stored: type of the stored values.
    """

    position: int
    compressed_size: int | None
    offset: int
    stored: np.dtype[Any]
    objects: ClassVar[str] = OBJECTS

    @property
    def bytes_at_once(self) -> int:
        if self.compressed_size is None:
            return 0
        return self.offset + math.prod(self.shape) * self.stored.itemsize

    def read(self, index: Index) -> NDArray[Any]:
        if self.compressed_size is None:
            start = self.position + self.offset
            with reporting(self.path, self.name):
                mapped = np.memmap(self.path, self.stored, "r", start, self.shape, "F")
                return np.asarray(mapped[index])
        array = cached_array(self.path, self.name, self.bytes_at_once, self._decompress)
        if array is None:
            raise too_large(self.path, self.name, self.bytes_at_once)
        return array[index]

    def _decompress(self) -> NDArray[Any]:
        count, needed = math.prod(self.shape), self.bytes_at_once
        with reporting(self.path, self.name):
            with open(self.path, "rb") as file:
                file.seek(self.position)
                compressed = file.read(self.compressed_size)
            # With the padding, so that zlib compares its checksum.
            try:
                content = zlib.decompressobj().decompress(compressed, needed + 64)
            except MemoryError:
                raise too_large(self.path, self.name, needed) from None
            if len(content) < needed:
                raise ValueError("it is truncated")
        return np.frombuffer(content, self.stored, count, self.offset).reshape(
            self.shape, order="F"
        )


def read_variables(path: Path) -> dict[str, StoredArray]:
    """The variables of a file by name; those that are not numbers are listed, but never read.

    Raises: ValueError, OSError, struct.error or zlib.error if the file is damaged.
    """
    variables: dict[str, StoredArray] = {}
    with open(path, "rb") as file:
        endian = {b"IM": "<", b"MI": ">"}.get(file.read(_HEADER_SIZE)[-2:])
        if endian is None:
            raise ValueError("it has no header of version 5")
        for position, code, size in _elements(file, endian):
            is_compressed = code == _COMPRESSED
            start = position if is_compressed else position - 8
            file.seek(start)
            content = file.read(min(8 + size, 4 * _HEADERS_SIZE))
            if is_compressed:
                content = zlib.decompressobj().decompress(content, _HEADERS_SIZE)
            found = _parse(content, endian)
            if found is None:
                continue
            if not is_compressed and found.offset + found.nbytes > 8 + size:
                raise ValueError(f"{found.name} is truncated")
            variables[found.name] = Mat5Array(
                *(path, found.name, found.shape, found.dtype, start),
                *(size if is_compressed else None, found.offset, found.stored),
            )
    return variables


def _elements(file: IO[bytes], endian: str) -> Iterator[tuple[int, int, int]]:
    """Position after the tag, type and size of each element of a file."""
    end = file.seek(0, 2)
    position = _HEADER_SIZE
    while position + 8 <= end:
        file.seek(position)
        code, size = struct.unpack(f"{endian}II", file.read(8))
        if code not in (_MATRIX, _COMPRESSED) or position + 8 + size > end:
            raise ValueError("it is truncated")
        yield position + 8, code, size
        position += 8 + size


class _Found(NamedTuple):
    """What the headers of a variable say; `offset` and `nbytes` are of its values."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: np.dtype[Any] = np.dtype("O")
    offset: int = 0
    nbytes: int = 0


def _parse(content: bytes, endian: str) -> _Found | None:
    """Read the headers of a variable; None for what MATLAB saves for itself."""
    code, _ = struct.unpack_from(f"{endian}II", content)
    if code != _MATRIX:
        raise ValueError("it holds something else than variables")
    _, at, _, following = _tag(content, 8, endian)
    (flags,) = struct.unpack_from(f"{endian}I", content, at)
    kind = flags & 0xFF
    if kind == _OPAQUE:
        return None
    shape, name, following = _shape_and_name(content, following, endian)
    if not name:
        return None
    dtype = np.dtype("?" if flags & _LOGICAL else _CLASSES.get(kind, "O"))
    if flags & _COMPLEX:
        dtype = np.dtype("c16")
    is_usable = is_number(dtype) or dtype.kind == "b"  # true and false are stored as 1 and 0
    if not is_usable or 0 in shape:
        return _Found(name, shape, dtype)
    code, at, nbytes, _ = _tag(content, following, endian)
    if code not in _STORED:
        raise ValueError(f"{name} has values of the unknown type {code}")
    stored = np.dtype(endian + _STORED[code])
    if nbytes != math.prod(shape) * stored.itemsize:
        raise ValueError(f"{name} has {nbytes} bytes of {stored} for the shape {shape}")
    return _Found(name, shape, dtype, stored, at, nbytes)


def _shape_and_name(content: bytes, position: int, endian: str) -> tuple[tuple[int, ...], str, int]:
    """Shape and name of a variable, and the position after them."""
    _, at, size, position = _tag(content, position, endian)
    shape = struct.unpack_from(f"{endian}{min(size // 4, 32)}i", content, at)
    if min(shape, default=-1) < 0:
        raise ValueError(f"it has a variable of the shape {shape}")
    _, at, size, position = _tag(content, position, endian)
    return shape, content[at : at + min(size, 63)].decode("latin-1"), position


def _tag(content: bytes, position: int, endian: str) -> tuple[int, int, int, int]:
    """Type, position of the values, their size and the position of the next element."""
    code, size = struct.unpack_from(f"{endian}II", content, position)
    if code >> 16:  # a small element: up to four bytes in place of the size
        return code & 0xFFFF, position + 4, min(code >> 16, 4), position + 8
    return code, position + 8, size, position + 8 + size + -size % 8


@contextmanager
def reporting(path: Path, name: str) -> Iterator[None]:
    """Turn the errors of a damaged file into a DataError."""
    try:
        yield
    except DataError:
        raise
    except PermissionError as error:
        raise unreadable(path, error) from None
    except Exception as error:  # damaged files cause many types, above all in h5py
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(
            f"{path}: {name} cannot be read ({reason}); it is damaged, or not a MATLAB file of "
            f"numbers; {REMEDY}"
        ) from None
