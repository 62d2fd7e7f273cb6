"""Arrays in .npz archives: mapped into memory if stored, decompressed once if compressed."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.data.memory_cache import cached_array, too_large
from simvp.data.npy import INVALID_HEADER, is_number, read_header
from simvp.data.stored_arrays import Index, StoredArray
from simvp.errors import DataError

_REMEDY = "save it again with numpy.savez"
_ENCRYPTED = 1  # bit of the flags of a member
_LOCAL_HEADER = 30  # bytes before the name of a member


@dataclass(frozen=True)
class NpzArray(StoredArray):
    """A member of an archive.

    Attributes:
        is_fortran: whether the first axis varies fastest.
        offset: position of the values in the file; None if they are compressed.
    """

    is_fortran: bool
    offset: int | None

    @property
    def bytes_at_once(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize if self.offset is None else 0

    def read(self, index: Index) -> NDArray[Any]:
        if self.offset is None:
            array = cached_array(self.path, self.name, self.bytes_at_once, self._load)
            if array is None:
                raise too_large(self.path, self.name, self.bytes_at_once)
            return array[index]
        order: Literal["F", "C"] = "F" if self.is_fortran else "C"
        with _reporting(self.path, self.name):
            mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)
            return np.asarray(mapped[index])

    def _load(self) -> NDArray[Any]:
        with _reporting(self.path, self.name), zipfile.ZipFile(self.path) as archive:
            with archive.open(f"{self.name}.npy") as member:
                if read_header(member) != (self.shape, self.is_fortran, self.dtype):
                    raise ValueError("the header has changed")
            with archive.open(f"{self.name}.npy") as member:
                try:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                except MemoryError:
                    raise too_large(self.path, self.name, self.bytes_at_once) from None
                member.read(1)  # compares the checksum at the end
        return array


def read_npz(path: Path) -> dict[str, StoredArray]:
    """The arrays of an archive by name. Python objects are listed, but never read.

    Raises: DataError if it is damaged, encrypted, or declares sizes that contradict each other.
    """
    arrays: dict[str, StoredArray] = {}
    with _reporting(path, "archive"), zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            name = info.filename.removesuffix(".npy")
            if info.flag_bits & _ENCRYPTED:
                raise DataError(f"{path}: {name} is encrypted; {_REMEDY}")
            if name in arrays:
                raise DataError(f"{path}: has two arrays named {name}; {_REMEDY}")
            with _reporting(path, name):
                arrays[name] = _describe(path, name, archive, info, file)
    return arrays


def read_text(array: StoredArray) -> str:
    """The text of an array of one short string; empty if it is something else."""
    is_text = array.dtype.kind == "U" and array.dtype.itemsize <= 400
    if not is_text or math.prod(array.shape) != 1:
        return ""
    return str(array.read(tuple(slice(None) for _ in array.shape)).item()).strip()


def _describe(
    path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]
) -> NpzArray:
    with archive.open(info) as member:
        try:
            shape, is_fortran, dtype = read_header(member)
        except INVALID_HEADER:
            raise DataError(
                f"{path}: {name} is damaged, or not an array of numbers; {_REMEDY}"
            ) from None
        header_size = member.tell()
    declared = header_size + math.prod(shape) * dtype.itemsize
    if info.file_size != declared and not dtype.hasobject:  # objects have no fixed size
        raise DataError(
            f"{path}: {name} has {info.file_size} bytes, but its header says {declared}; {_REMEDY}"
        )
    offset = None
    if info.compress_type == zipfile.ZIP_STORED and is_number(dtype) and 0 not in shape:
        file.seek(info.header_offset)
        *_, name_size, extra_size = struct.unpack("<26sHH", file.read(_LOCAL_HEADER))
        start = info.header_offset + _LOCAL_HEADER + name_size + extra_size
        offset = start + header_size
        if start + info.file_size > archive.start_dir:
            raise DataError(f"{path}: {name} is truncated; {_REMEDY}")
    return NpzArray(path, name, shape, dtype, is_fortran, offset)


@contextmanager
def _reporting(path: Path, name: str) -> Iterator[None]:
    """Turn the errors of a damaged archive into a DataError."""
    try:
        yield
    except PermissionError as error:
        raise unreadable(path, error) from None
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError),
        *(OSError, *INVALID_HEADER),
    ) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: {name} cannot be read ({reason}); {_REMEDY}") from None
