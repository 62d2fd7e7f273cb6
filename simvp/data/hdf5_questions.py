"""What an HDF5 file holds, to ask the user which data sets to read."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from simvp.data.hdf5_store import numeric_shape, open_file
from simvp.errors import ConfigError, DataError

if TYPE_CHECKING:  # imported only where an HDF5 file is read
    import h5py

LETTERS = "n series, t time, c channel, y, x"
_LISTED = 20  # data sets in a message


def may_be_channel(shape: Sequence[int]) -> bool:
    """Whether a data set of this shape can have time, y and x."""
    return len(shape) >= 3


def numeric_datasets(
    file: "h5py.File", fits: Callable[[Sequence[int]], bool], *, booleans: bool = False
) -> dict[str, str]:
    """The data sets of numbers whose shape fits: shape and type of each."""
    import h5py

    found = {}

    def visit(name: str, item: "h5py.HLObject") -> bool | None:  # of this file: follows no links
        if isinstance(item, h5py.Dataset):
            try:
                shape = numeric_shape(item, booleans=booleans)
            except DataError:
                return None
            if fits(shape):
                found[f"/{name}"] = f"{shape} {item.dtype}"
        return None

    file.visititems(visit)
    return found


def listing(available: Mapping[str, str]) -> str:
    """Data sets with their shapes and types, a line each."""
    lines = [f"  {name}  {what}" for name, what in list(available.items())[:_LISTED]]
    left_out = len(available) - len(lines)
    return "\n".join(lines + [f"  and {left_out} more"] * (left_out > 0))


def _found(file: "h5py.File") -> str:
    """The data sets of a file, of any type, for a message."""
    import h5py

    found = {}

    def visit(name: str, item: "h5py.HLObject") -> None:
        if isinstance(item, h5py.Dataset):
            with suppress(TypeError):  # a type that NumPy does not have
                found[f"/{name}"] = f"{item.shape} {item.dtype}"

    file.visititems(visit)
    return f"Found:\n{listing(found)}" if found else "Found no data set"


def question(path: Path) -> ConfigError | DataError:
    """The question which data sets to read; an error if there are none to choose from."""
    with open_file(path) as file:
        available = numeric_datasets(file, may_be_channel)
        found = "" if available else _found(file)
    if not available:
        return DataError(
            f"{path}: contains no data set of numbers with three axes or more (time, y, x). {found}"
        )
    name, what = next(iter(available.items()))
    shape = tuple(int(size) for size in what[1 : what.index(")")].split(","))
    return ConfigError(
        f"{path}: choose what to read. --variables names data sets, --axes gives one letter for "
        f"each of their axes ({LETTERS}). Data sets with their shapes and types:\n"
        f"{listing(available)}\n"
        f"For example: --variables {name} --axes {example_axes(shape)}"
    )


def example_axes(shape: Sequence[int]) -> str:
    """A likely order of axes for a hint: neighbours of the most similar size are y and x.

    (N, 384, 384, 49) is nyxt; (N, T, 64, 64, 3) is ntyxc.
    """
    ratios = [min(pair) / max(pair) for pair in zip(shape, shape[1:], strict=False)]
    position = ratios.index(max(ratios))
    others = {1: "t", 2: "nt", 3: "ntc"}.get(len(shape) - 2, "ntc")
    return f"{others[:position]}yx{others[position:]}"
