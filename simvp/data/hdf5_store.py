"""HDF5 files: which layout a file has, and access to its data sets of numbers.

Only hard links inside one file are followed, and only numbers are read: a file can neither name
other files to be read nor hold objects.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.data.declared_sizes import check_declared
from simvp.data.listing import files_of
from simvp.errors import DataError

if TYPE_CHECKING:  # imported only where an HDF5 file is read
    import h5py

SUFFIXES = (".h5", ".hdf5")
_FILES_TRIED = 4
_NAMES_TRIED = 64
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_OFFSETS = (0, 512, 1024, 2048)  # HDF5 may begin after a block for other programs
_MATLAB = b"MATLAB 7.3"
# Folders of The Well and groups of PDEArena, and the parts that they are.
PARTS = {"train": "train", "valid": "validation", "test": "test"}


@contextmanager
def open_file(path: Path) -> Iterator["h5py.File"]:
    """Open an HDF5 file for reading. Raises DataError for this and for any failure within."""
    try:
        with _opened(path) as file:
            yield file
    except PermissionError as error:
        raise unreadable(path, error) from None
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # as h5py translates errors
        reason = str(error).strip("'\"") or type(error).__name__
        raise DataError(
            f"{path}: is truncated, damaged or not readable as HDF5 ({reason}); copy the file again"
        ) from None


def _opened(path: Path) -> "h5py.File":
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not _is_about_locks(error):
            raise
        return h5py.File(path, "r", locking=False)


def locking(path: Path) -> bool | None:
    """How another library has to lock a file in order to open it; None for the default of HDF5."""
    import h5py

    try:
        h5py.File(path, "r").close()
    except OSError as error:
        return False if _is_about_locks(error) else None
    return None


def _is_about_locks(error: OSError) -> bool:
    """Whether a file was refused because of its locks.

    File systems that are mounted read-only often refuse locks, and HDF5 refuses a file that the
    process has open with another kind of locking.
    """
    return "lock" in str(error)


def layout(path: Path) -> str | None:
    """The layout of an HDF5 file, from its root alone; None if the file is not HDF5.

    Returns: "well", "pdebench", "pdearena", "netcdf" or "matlab"; "hdf5" for any other, and for a
        file that cannot be opened.
    """
    try:
        if not path.is_file():  # opening a FIFO would block
            return None
        with open(path, "rb") as binary:
            start = binary.read(max(_OFFSETS) + len(_SIGNATURE))
    except OSError:
        return None
    if start.startswith(_MATLAB):
        return "matlab"
    if not any(start.startswith(_SIGNATURE, offset) for offset in _OFFSETS):
        return None
    try:
        with open_file(path) as file:
            return _layout_of_root(file)
    except (DataError, TypeError):  # TypeError: a link or a type that h5py does not know
        return "hdf5"


def _layout_of_root(file: "h5py.File") -> str:
    import h5py

    names = list(islice(file, _NAMES_TRIED))
    hard = {name for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink)}
    members = {name: file[name] for name in hard}
    groups = {name for name, item in members.items() if isinstance(item, h5py.Group)}
    datasets = {name for name, item in members.items() if isinstance(item, h5py.Dataset)}
    if "dimensions" in groups and groups & {"t0_fields", "t1_fields", "t2_fields"}:
        return "well"
    if {"density", "pressure", "Vx"} <= datasets or {"velocity", "particles"} <= datasets:
        return "pdebench"
    if any(name.isdecimal() and "data" in list(members[name]) for name in groups):
        return "pdebench"
    if any("u" in list(members[name]) for name in groups.intersection(PARTS)):
        return "pdearena"
    if partly_labelled(file):
        return "hdf5"
    if "_NCProperties" in file.attrs or any(members[name].is_scale for name in datasets):
        return "netcdf"
    return "hdf5"


def partly_labelled(file: "h5py.File") -> str:
    """The first data set of the root with a dimension scale on some axes only; empty if none.

    This is no netCDF, which names all dimensions or none.
    """
    import h5py

    for name in islice(file, _NAMES_TRIED):
        is_hard = isinstance(file.get(name, getlink=True), h5py.HardLink)
        item = file[name] if is_hard else None
        if isinstance(item, h5py.Dataset) and not item.is_scale:
            labelled = [len(dim) > 0 for dim in item.dims] if item.shape else []
            if any(labelled) and not all(labelled):
                return str(name)
    return ""


def any_has_layout(paths: Iterable[Path], name: str) -> bool:
    """Whether one of the first files, or files of these folders, has a layout.

    Not only the first one is tried, since it may be damaged.
    """
    try:
        files = [file for path in paths for file in files_of(path, SUFFIXES)]
    except DataError:  # a folder that cannot be read
        return False
    return any(layout(file) == name for file in files[:_FILES_TRIED])


def subgroups(group: "h5py.Group") -> dict[str, "h5py.Group"]:
    """The groups in a group of the same file, by name."""
    import h5py

    links = {name: group.get(name, getlink=True) for name in group}
    hard = {name: group[name] for name, link in links.items() if isinstance(link, h5py.HardLink)}
    return {name: item for name, item in hard.items() if isinstance(item, h5py.Group)}


def dataset_at(group: "h5py.Group", name: str, *, booleans: bool = False) -> "h5py.Dataset":
    """The data set of numbers with this path. Raises DataError if it is not one in this file."""
    dataset = find_dataset(group, name, booleans=booleans)
    if dataset is None:
        raise DataError(f"{_where(group, name)}: there is no such data set; copy the file again")
    return dataset


def find_dataset(
    group: "h5py.Group", name: str, *, booleans: bool = False
) -> "h5py.Dataset | None":
    """The data set of numbers with this path; None if nothing has this path.

    Args:
        booleans: whether true and false count as numbers, 1 and 0.
    Raises: DataError if there is something else, or if its values are in another file.
    """
    import h5py

    item: Any = group
    for part in name.strip("/").split("/"):
        is_name = part not in ("", ".") and isinstance(item, h5py.Group)
        link = item.get(part, getlink=True) if is_name else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise DataError(
                f"{_where(group, name)}: links to another file, {link.filename}; give the path of "
                "that file"
            )
        if isinstance(link, h5py.SoftLink):
            raise DataError(
                f"{_where(group, name)}: is a soft link; use the name it points to, {link.path}"
            )
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise DataError(f"{_where(group, name)}: is a group; expected a data set of numbers")
    numeric_shape(item, booleans=booleans)
    return item


def _where(group: "h5py.Group", name: str) -> str:
    return f"{group.file.filename}: {group.name.rstrip('/')}/{name.strip('/')}"


def numeric_shape(dataset: "h5py.Dataset", *, booleans: bool = False) -> tuple[int, ...]:
    """The shape of a data set.

    Args:
        booleans: whether true and false count as numbers.
    Raises: DataError if it is empty, does not hold numbers, or if they are in another file; also if
        the file is much too small for it.
    """
    import h5py

    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise DataError(
            f"{where}: takes its values from other files, which are not read; copy the values into "
            "one file, or give the path of the others"
        )
    try:
        dtype = dataset.dtype
    except TypeError as error:  # a type that NumPy does not have
        raise DataError(f"{where}: holds values of an unknown type ({error})") from None
    is_boolean = booleans and dtype.kind == "b"
    if h5py.check_enum_dtype(dtype) is not None and not is_boolean:
        raise DataError(f"{where}: holds an enumeration; expected numbers")
    if (dtype.kind not in "fiu" or dtype.itemsize > 8) and not is_boolean:
        raise DataError(f"{where}: holds {dtype}; expected integers or floats of up to 64 bits")
    if dataset.shape is None or 0 in dataset.shape:
        raise DataError(f"{where}: is empty, with shape {dataset.shape}; remove it or write it")
    check_declared(dataset.file.filename, str(dataset.name), dataset.nbytes)
    return tuple(dataset.shape)


def read_values(dataset: "h5py.Dataset", index: Any = ()) -> NDArray[Any]:
    """Read a part of a data set. Raises DataError if it is damaged."""
    try:
        return np.asarray(dataset[index])
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{dataset.file.filename}: {dataset.name}: cannot be read ({error}); it is damaged, or "
            "compressed by a filter that is not installed"
        ) from None


def is_8_bit(*datasets: "h5py.Dataset") -> bool:
    """Whether all data sets hold 8-bit integers."""
    return all(item.dtype.kind in "iu" and item.dtype.itemsize == 1 for item in datasets)


def texts(owner: Any, name: str) -> list[str]:
    """The text or list of texts in an attribute; empty if there is none."""
    values = np.ravel(owner.attrs.get(name, []))
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
