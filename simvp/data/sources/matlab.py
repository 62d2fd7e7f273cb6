"""MATLAB's .mat files: one, or a folder with one series a file.

Version 7.3, which is HDF5 with the axes reversed, is read with h5py. Version 4 holds matrices only,
which are no series. Shapes and axes are in MATLAB's order. MATLAB does not name axes, so the user
says which is which.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvp.data.declared_sizes import check_declared
from simvp.data.listing import files_in, files_of
from simvp.data.mat5 import OBJECTS, REMEDY, read_variables, reporting
from simvp.data.memory_cache import cached_array
from simvp.data.series import Options, Source
from simvp.data.stack_source import open_stacks
from simvp.data.stored_arrays import Index, StoredArray
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

_SUFFIXES = (".mat",)
_HEADERS = (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512  # bytes before the HDF5 part of a file of version 7.3


@dataclass(frozen=True)
class Mat73Array(StoredArray):
    """A variable of a file of version 7.3.

    Attributes:
        stored: type of the stored values; true and false are stored as 1 and 0.
        is_chunked: whether it is stored in chunks. Each may hold a part of every series, so the
            variable is read as a whole, once per process, if it fits into memory.
    """

    stored: np.dtype[Any]
    is_chunked: bool
    objects: ClassVar[str] = OBJECTS

    @property
    def bytes_at_once(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize if self.is_chunked else 0

    def read(self, index: Index) -> NDArray[Any]:
        if self.is_chunked:
            array = cached_array(self.path, self.name, self.bytes_at_once, lambda: self._read(()))
            if array is not None:
                return array[index]
        return self._read(index)

    def _read(self, index: Index) -> NDArray[Any]:
        import h5py

        with reporting(self.path, self.name), h5py.File(self.path, "r") as file:
            variable = file[self.name]
            if (variable.shape[::-1], variable.dtype) != (self.shape, self.stored):
                raise ValueError("it has changed while it was in use")
            return np.asarray(variable[index[::-1]]).T


def matches(path: Path) -> bool:
    """Whether a path is a MATLAB file, or a folder with such files directly in it."""
    try:
        if path.is_dir():
            return bool(files_in(path, _SUFFIXES))
        return path.is_file() and _is_matlab(path)
    except (OSError, DataError):
        return False


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a file, or a folder of files. Raises DataError or ConfigError."""
    options.refuse_level(path)
    contents = {file: _read_variables(file) for file in files_of(path, _SUFFIXES)}
    return open_stacks(path, contents, card, options, "matlab")


def _is_matlab(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(len(_HEADERS[0]))
    # Axes in HDF5 of other software are not reversed. Other .mat files are damaged, or version 4.
    is_named = path.suffix.lower() in _SUFFIXES and not start.startswith(_HDF5)
    return start in _HEADERS or is_named


def _read_variables(path: Path) -> dict[str, StoredArray]:
    """The variables of a file by name. Raises DataError."""
    with reporting(path, "file"):
        with open(path, "rb") as file:
            file.seek(_USER_BLOCK)
            is_hdf5 = file.read(len(_HDF5)) == _HDF5
        return _variables_73(path) if is_hdf5 else read_variables(path)


def _variables_73(path: Path) -> dict[str, StoredArray]:
    import h5py

    variables: dict[str, StoredArray] = {}
    with h5py.File(path, "r") as file:
        for name in file:
            # Links to other files are not followed. Names with # are MATLAB's own.
            if "#" in name or not isinstance(file.get(name, getlink=True), h5py.HardLink):
                continue
            item = file[name]
            if not isinstance(item, h5py.Dataset):  # a structure
                variables[name] = Mat73Array(
                    path, name, (1, 1), np.dtype("O"), np.dtype("O"), False
                )
            elif item.is_virtual or item.external:
                raise DataError(f"{path}: {name} is stored in another file; {REMEDY}")
            else:
                variables[name] = _variable_73(path, name, item)
    return variables


def _variable_73(path: Path, name: str, item: Any) -> Mat73Array:
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode(errors="replace") if isinstance(kind, bytes) else str(kind)
    dtype = item.dtype
    if kind in ("char", "logical"):  # stored as integers
        dtype = np.dtype("U1" if kind == "char" else "?")
    elif dtype.names == ("real", "imag"):
        dtype = np.dtype("complex128")
    # An empty variable is stored as its shape.
    is_empty = "MATLAB_empty" in item.attrs or item.shape is None
    shape = (0, 0) if is_empty else item.shape[::-1]
    check_declared(path, name, 0 if is_empty else item.nbytes)
    return Mat73Array(path, name, shape, dtype, item.dtype, item.chunks is not None)
