"""Arrays in files without names for their axes, and which of them hold series or static fields.

H, W: height and width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvp.data.axes import as_text, static_axes, static_shapes
from simvp.data.npy import is_number
from simvp.data.series import Options, unknown_name
from simvp.errors import ConfigError, DataError

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class StoredArray(ABC):
    """An array in a file. A format implements `read`.

    Attributes:
        path: the file.
        name: of the array in the file; empty if it has none.
        shape, dtype: as the file declares them.
        objects: what is wrong with values that are objects of the format.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    objects: ClassVar[str] = (
        "holds Python objects, which are never loaded; save it as an array of numbers"
    )

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
        if self.dtype.hasobject:
            raise DataError(f"{self.where}: {self.objects}")
        if not is_number(self.dtype):
            raise DataError(
                f"{self.where}: holds {self.dtype}; arrays are integers or floats up to 64 bits"
            )
        if 0 in self.shape:
            raise DataError(f"{self.where}: has the shape {as_text(self.shape)}: it is empty")


@dataclass(frozen=True)
class StaticArray:
    """An array that holds a field without time.

    Attributes:
        array: the array.
        axes: a letter for each of its axes: n series, y, x, and 1 for an axis of length 1.
    """

    array: StoredArray
    axes: str

    def read(self, position: int) -> NDArray[Any]:
        """The field of the series at a position along the axis n: (H, W), or one number."""
        index = {"n": position, "1": 0}
        values = self.array.read(tuple(index.get(axis, slice(None)) for axis in self.axes))
        return values.T if self.axes.find("x") < self.axes.find("y") else values


def choose_arrays(
    arrays: Mapping[str, StoredArray], options: Options, path: Path
) -> list[StoredArray]:
    """The arrays of a file that hold the series.

    Args:
        arrays: all arrays of the file by name.
        options: its variables name arrays, or channels if only one array can be meant.
    Raises: DataError if no array can be a series; ConfigError if the user has to choose.
    """
    variables = options.variables
    stacks = [a for name, a in arrays.items() if a.is_stack and name not in options.static]
    if variables and any(name in arrays for name in variables):
        unknown = [name for name in variables if name not in arrays]
        if unknown:
            raise unknown_name(path, "array", unknown[0], list(arrays), options)
        chosen = [arrays[name] for name in variables]
    elif len(stacks) == 1:
        chosen = stacks
    elif not stacks and len(arrays) == 1:
        chosen = list(arrays.values())  # the checks below say what is wrong with it
    elif not stacks:
        found = ", ".join(describe(array) for array in arrays.values()) or "nothing"
        raise DataError(f"{path}: no array in it has three axes and holds numbers; found {found}")
    elif variables:
        known = [array.name for array in stacks]
        raise unknown_name(path, "array", variables[0], known, options)
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
    example = max(stacks, key=lambda array: len(array.shape))
    hint = f"Choose one with --variables {example.name}"
    alike = [array.name for array in stacks if array.shape == stacks[0].shape]
    if len(alike) > 1:
        hint += f", or several of one shape as channels with --variables {','.join(alike)}"
    return ConfigError(f"{path}: holds {len(stacks)} arrays that can be series: {listed}. {hint}")


def describe(array: StoredArray) -> str:
    """`u (5 x 8 x 9)`, with the type if it is not one of numbers."""
    kind = "" if is_number(array.dtype) else f" {array.dtype}"
    return f"{array.name} ({as_text(array.shape)}{kind})"


def find_static(
    arrays: Mapping[str, StoredArray], stacks: Sequence[StoredArray], axes: str, options: Options
) -> dict[str, StaticArray]:
    """The arrays of a file that can be static fields, by name.

    Args:
        arrays: all arrays of the file.
        stacks: those that hold series, with these axes.
    Raises: ConfigError if `options.static` names an array of another shape or type.
    """
    sizes = dict(zip(axes, stacks[0].shape, strict=True))
    found = {}
    for name, array in arrays.items():
        fitting = static_axes(array.shape, axes, sizes)
        if fitting is not None and (is_number(array.dtype) or array.dtype.kind == "b"):
            found[name] = StaticArray(array, fitting)
        elif name in options.static and array not in stacks:
            raise ConfigError(
                f"static: {array.path}: {describe(array)} is no static field; one beside "
                f"{stacks[0].name} of axes {axes} holds numbers, {static_shapes(axes, sizes)}"
            )
    return found
