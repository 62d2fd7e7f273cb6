"""NumPy arrays with an axis of time: one .npy or .npz file, or a folder with one series a file.

Files without names for their axes: three axes are t y x; of more, the user says which is which.
"""

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.data.card import card_path
from simvp.data.listing import files_in, files_of
from simvp.data.npy import MAGIC, ZIP_MAGIC, map_array
from simvp.data.npz import read_npz, read_text
from simvp.data.series import Options, Series, Source, select_channels
from simvp.data.stack_source import make_source, open_stacks
from simvp.data.stacks import JoinedSeries, number_series
from simvp.data.stored_arrays import Index, StoredArray
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

_SUFFIXES = (".npy", ".npz")
_OPENSTL = {"train": ("X_train", "Y_train"), "test": ("X_test", "Y_test")}


@dataclass(frozen=True)
class NpyArray(StoredArray):
    """The array of an .npy file."""

    def read(self, index: Index) -> NDArray[Any]:
        array = map_array(self.path, noun="array")
        if (array.shape, array.dtype) != (self.shape, self.dtype):
            raise DataError(f"{self.path}: has changed while it was in use; start again")
        return np.asarray(array[index])


def matches(path: Path) -> bool:
    """Whether a path is an .npy or .npz file, or a folder with such files directly in it."""
    try:
        if path.is_dir():
            return bool(files_in(path, _SUFFIXES))
        return path.is_file() and (path.suffix.lower() in _SUFFIXES or _has_arrays(path))
    except (OSError, DataError):
        return False


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a file, or a folder of files with one series each. Raises DataError or ConfigError."""
    options.refuse_level(path)
    files = files_of(path, _SUFFIXES)
    contents = [_read_arrays(file) for file in files]
    if len(files) == 1 and _is_openstl(contents[0], options):
        return _open_openstl(path, contents[0], card, options)
    card = card.completed(_found_card(contents[0]), path)
    return open_stacks(path, dict(zip(files, contents, strict=True)), card, options, "numpy")


def _has_arrays(path: Path) -> bool:
    """Whether a file begins as .npy, or is a zip archive with an .npy member."""
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
    if not start.startswith(ZIP_MAGIC):
        return start == MAGIC
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error):
        return False


def _read_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of a file by name; an .npy file has one, without a name."""
    try:
        with open(path, "rb") as file:
            is_archive = file.read(4) in ZIP_MAGIC
    except OSError as error:
        raise unreadable(path, error) from None
    if is_archive:
        return read_npz(path)
    array = map_array(path, noun="array")
    return {"": NpyArray(path, "", array.shape, array.dtype)}


def _found_card(arrays: dict[str, StoredArray]) -> "DatasetCard":
    """The unit, if an archive of one series array has a string named unit or units."""
    from simvp.data.card import DatasetCard

    if sum(array.is_stack for array in arrays.values()) == 1:
        for name in {"unit", "units"} & set(arrays):
            if unit := read_text(arrays[name]):
                return DatasetCard(unit=unit)
    return DatasetCard()


def _is_openstl(arrays: dict[str, StoredArray], options: Options) -> bool:
    """Whether a file is laid out as OpenSTL's TaxiBJ, and the user asks for no other reading."""
    names = [name for pair in _OPENSTL.values() for name in pair]
    if options.axes not in (None, "ntcyx") or not set(names) <= set(arrays):
        return False
    found = [arrays[name] for name in names]
    return (
        not set(options.variables or ()) & set(arrays)
        and all(array.is_stack and len(array.shape) == 5 for array in found)
        and len({array.shape[2:] for array in found}) == 1
        and all(arrays[x].shape[0] == arrays[y].shape[0] for x, y in _OPENSTL.values())
    )


def _open_openstl(
    path: Path,
    arrays: dict[str, StoredArray],
    card: "DatasetCard",
    options: Options,
) -> Source:
    names = card.channel_names(arrays["X_train"].shape[2], card_path(path))
    channels = select_channels(names, options, path)[0]
    scaling = card.stored_scaling(channels)
    parts: dict[str, list[Series]] = {}
    for part, pair in _OPENSTL.items():
        before, after = (
            number_series([arrays[array]], part, "ntcyx", channels, names, scaling)
            for array in pair
        )
        parts[part] = [
            JoinedSeries(
                id=x.id, channels=channels, shape=x.shape, stored_scaling=scaling, pieces=(x, y)
            )
            for x, y in zip(before, after, strict=True)
        ]
    return make_source(
        path,
        "arrays",
        [item for items in parts.values() for item in items],
        card,
        is_8_bit=all(
            arrays[name].dtype.itemsize == 1 for pair in _OPENSTL.values() for name in pair
        ),
        assumptions=(
            "the axes of X and Y are n t c y x, and the frames of Y follow those of X",
            "X_test and Y_test are the test part, X_train and Y_train the training part",
        ),
        parts={part: tuple(item.id for item in items) for part, items in parts.items()},
    )
