"""Series within arrays of up to five axes: series, time, channel, rows, columns.

T: frames; C: channels; H, W: height and width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.axes import Convention, as_text, choose_axes
from simvp.data.npy import is_number
from simvp.data.scaling import Scaling
from simvp.data.series import Frames, Series, select_channels, unknown_name
from simvp.errors import ConfigError, DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class StoredArray(ABC):
    """An array in a file. A format implements `read`.

    Attributes:
        path: the file.
        name: of the array in the file; empty if it has none.
        shape, dtype: as the file declares them.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, index: Index) -> NDArray[Any]:
        """The values at an index of integers and slices. Raises DataError."""

    @property
    def bytes_at_once(self) -> int:
        """Size of the array in memory if it has to be decompressed as a whole, otherwise 0."""
        return 0

    @property
    def where(self) -> str:
        """Names the array in messages."""
        return f"{self.path}: {self.name}" if self.name else str(self.path)

    @property
    def is_stack(self) -> bool:
        """Whether this can be a series: numbers with at least three axes."""
        return len(self.shape) >= 3 and 0 not in self.shape and is_number(self.dtype)

    def check_stack(self) -> None:
        """Raises DataError if the array is not of numbers, or empty."""
        if not is_number(self.dtype):
            raise DataError(
                f"{self.where}: holds {self.dtype}; arrays are integers or floats up to 64 bits"
            )
        if 0 in self.shape:
            raise DataError(f"{self.where}: has the shape {as_text(self.shape)}: it is empty")


@dataclass(frozen=True, kw_only=True)
class StackSeries(Series):
    """One series of arrays with the same axes, whose channels are stacked.

    Attributes:
        arrays: the arrays to stack.
        axes: order of their axes, letters of "ntcyx".
        position: of the series along the axis n; 0 if there is none.
        selected: indices of the channels to use among those of all arrays.
    """

    arrays: tuple[StoredArray, ...]
    axes: str
    position: int
    selected: tuple[int, ...]

    @property
    def length(self) -> int:
        return self.arrays[0].shape[self.axes.index("t")]

    @property
    def bytes_at_once(self) -> int:
        return sum(array.bytes_at_once for array in self.arrays)

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        special: dict[str, int | slice] = {"n": self.position, "t": slice(start, stop, step)}
        index: Index = tuple(special.get(axis, slice(None)) for axis in self.axes)
        order = self.axes.replace("n", "")
        read = []
        for array in self.arrays:
            values = array.read(index)
            if "c" not in order:
                values = values[..., np.newaxis]
            full = order if "c" in order else order + "c"
            read.append(values.transpose([full.index(axis) for axis in "tcyx"]))
        count = sum(values.shape[1] for values in read)
        with np.errstate(over="ignore"):  # the caller decides about infinite values
            if self.selected == tuple(range(count)) and len(read) == 1:
                return np.array(read[0], np.float32, order="C")
            channels = [values[:, i] for values in read for i in range(values.shape[1])]
            return np.stack(
                [channels[i] for i in self.selected], 1, dtype=np.float32, casting="unsafe"
            )


@dataclass(frozen=True, kw_only=True)
class JoinedSeries(Series):
    """Series that follow each other in time.

    Attributes:
        pieces: the series, in order, with the same channels.
    """

    pieces: tuple[Series, ...]

    @property
    def length(self) -> int:
        return sum(piece.length for piece in self.pieces)

    @property
    def bytes_at_once(self) -> int:
        return max(piece.bytes_at_once for piece in self.pieces)

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        wanted = range(self.length)[start:stop:step]
        read, offset = [np.empty((0, *self.shape), np.float32)], 0
        for piece in self.pieces:
            frames = [f - offset for f in wanted if offset <= f < offset + piece.length]
            if frames:
                read.append(piece.read_stored(frames[0], frames[-1] + 1, step))
            offset += piece.length
        return np.concatenate(read)


def choose_arrays(
    arrays: Mapping[str, StoredArray], variables: Sequence[str] | None, path: Path
) -> list[StoredArray]:
    """The arrays of a file that hold the series.

    Args:
        arrays: all arrays of the file by name.
        variables: the user's choice, of arrays, or of channels if only one array can be meant.
    Raises: DataError if no array can be a series; ConfigError if the user has to choose.
    """
    stacks = [array for array in arrays.values() if array.is_stack]
    if variables and any(name in arrays for name in variables):
        unknown = [name for name in variables if name not in arrays]
        if unknown:
            raise unknown_name(path, "array", unknown[0], list(arrays))
        if len(set(variables)) < len(variables):
            raise ConfigError(f"variables: {', '.join(variables)} names an array twice")
        chosen = [arrays[name] for name in variables]
    elif len(stacks) == 1:
        chosen = stacks
    elif not stacks and len(arrays) == 1:
        chosen = list(arrays.values())  # the checks below say what is wrong with it
    elif not stacks:
        found = ", ".join(describe(array) for array in arrays.values()) or "nothing"
        raise DataError(f"{path}: no array in it has three axes and holds numbers; found {found}")
    elif variables:
        raise unknown_name(path, "array", variables[0], [array.name for array in stacks])
    else:
        raise _several(path, stacks)
    for array in chosen:
        array.check_stack()
        if array.shape != chosen[0].shape:
            raise ConfigError(
                f"variables: {path}: {describe(chosen[0])} and {describe(array)} differ in shape, "
                "so they cannot be stacked as channels"
            )
    return chosen


def _several(path: Path, stacks: Sequence[StoredArray]) -> ConfigError:
    """The question which of several arrays to use."""
    listed = ", ".join(map(describe, stacks))
    hint = f"Choose one with --variables {stacks[0].name}"
    alike = [array.name for array in stacks if array.shape == stacks[0].shape]
    if len(alike) > 1:
        hint += f", or several of one shape as channels with --variables {','.join(alike)}"
    return ConfigError(f"{path}: holds {len(stacks)} arrays that can be series: {listed}. {hint}")


def describe(array: StoredArray) -> str:
    """`u (5 x 8 x 9)`, with the type if it is not one of numbers."""
    kind = "" if is_number(array.dtype) else f" {array.dtype}"
    return f"{array.name} ({as_text(array.shape)}{kind})"


def series_of_stack(
    arrays: Sequence[StoredArray],
    *,
    name: str,
    variables: Sequence[str] | None,
    axes: str | None,
    card: "DatasetCard",
    card_path: Path,
    convention: Convention,
) -> list[StackSeries]:
    """The series of arrays of one shape.

    Args:
        name: the id of a single series; several are numbered.
        variables: names of the arrays or of channels; None for all.
        axes: the user's choice.
        convention: of the software that wrote the file.
    Raises: DataError or ConfigError.
    """
    first = arrays[0]
    axes = choose_axes(axes, first.shape, first.where, convention)
    sizes = dict(zip(axes, first.shape, strict=True))
    if sizes["t"] < 2:
        raise DataError(
            f"{first.where}: has the shape {as_text(first.shape)}, read as {axes}: one frame is no "
            "series"
        )
    names = _channel_names(arrays, sizes.get("c"), card, card_path)
    by_array = variables is None or any(a.name in variables for a in arrays)
    channels = names if by_array else select_channels(names, variables, first.path)[0]
    scaling = card.stored_scaling(channels)
    return number_series(arrays, name, axes, channels, names, scaling)


def number_series(
    arrays: Sequence[StoredArray],
    name: str,
    axes: str,
    channels: tuple[str, ...],
    names: tuple[str, ...],
    scaling: Scaling | None,
) -> list[StackSeries]:
    """The series along the axis n of arrays, `name_0`, ...; one series, `name`, without this axis.

    Args:
        channels: names of the channels to use, among the `names` of all.
        scaling: of the stored values.
    """
    sizes = dict(zip(axes, arrays[0].shape, strict=True))
    common: dict[str, Any] = {
        "channels": channels,
        "shape": (len(channels), sizes["y"], sizes["x"]),
        "stored_scaling": scaling,
        "arrays": tuple(arrays),
        "axes": axes,
        "selected": tuple(map(names.index, channels)),
    }
    if "n" not in sizes:
        return [StackSeries(id=name, position=0, **common)]
    width = len(str(sizes["n"] - 1))
    return [StackSeries(id=f"{name}_{i:0{width}}", position=i, **common) for i in range(sizes["n"])]


def _channel_names(
    arrays: Sequence[StoredArray], per_array: int | None, card: "DatasetCard", card_path: Path
) -> tuple[str, ...]:
    """Names of the channels: those of the arrays, of the card, or numbers."""
    named = [array.name for array in arrays]
    if named == [""]:
        return card.channel_names(per_array or 1, card_path)
    if per_array is None:
        names = tuple(named)
    elif len(named) == 1 and len(card.channels) == per_array:
        names = tuple(card.channels)
    elif per_array == 1:
        names = tuple(named)
    else:
        names = tuple(f"{name}_{i}" for name in named for i in range(per_array))
    if card.channels and not set(names) & set(card.channels):
        raise ConfigError(
            f"{card_path}: names the channels {', '.join(card.channels)}, but {arrays[0].path} has "
            f"{', '.join(names)}"
        )
    return names
