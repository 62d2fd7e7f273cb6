"""The grid that the channels of a CF data set share, and the coordinates of its dimensions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data import cf_axes, cf_values
from simvp.data.cf_axes import Layout
from simvp.data.cf_files import check_numeric
from simvp.data.cf_time import read_times
from simvp.data.cf_values import InvalidAttribute
from simvp.data.locations import Location
from simvp.data.times import Times
from simvp.errors import DataError

if TYPE_CHECKING:
    from xarray import Dataset, Variable

    from simvp.data.card import DatasetCard


@dataclass(frozen=True)
class Channel:
    """A channel: a variable, with indices of its dimensions other than time, series, y and x.

    Attributes:
        dims: those dimensions of time, y and x that the variable has.
        fixed: the dimensions with an index.
    """

    name: str
    variable: str
    quantity: str
    unit: str
    dims: tuple[str, ...]
    fixed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Grid:
    """The channels that were chosen, and the grid that they share.

    Attributes:
        channels: the channels that vary in time, then the static fields.
        dims: names of the dimensions of time, y and x.
        shape: of a frame, (C, H, W).
        member_dim: the dimension that counts series; empty if there is none.
        num_members: its size; 1 if there is none.
        layouts: of each variable.
        coordinates: values of the coordinates of all dimensions but time, None where the file
            has none.
        is_8_bit: whether all values are 8-bit integers.
        is_global: whether the longitudes close the circle.
        assumptions: what was assumed.
    """

    channels: tuple[Channel, ...]
    dims: tuple[str, str, str]
    shape: tuple[int, int, int]
    member_dim: str
    num_members: int
    layouts: dict[str, Layout]
    coordinates: dict[str, NDArray[np.float64] | None]
    is_8_bit: bool
    is_global: bool
    assumptions: tuple[str, ...]

    def check_fits(self, file: Location, dataset: "Dataset") -> None:
        """Raises DataError if a further file has other variables or another grid."""
        for channel in self.channels:
            if channel.variable not in dataset.variables:
                raise DataError(
                    f"{file}: has no variable {channel.variable}, which the first file has; all "
                    "files need the same variables, so move this one elsewhere"
                )
            variable = dataset.variables[channel.variable]
            check_numeric(file, channel.variable, variable)
            expected = dict(zip(*self._sizes(channel.variable), strict=True))
            found = {str(dim): size for dim, size in variable.sizes.items()}
            unit = cf_values.as_text(variable.attrs, "units")
            if {**found, self.dims[0]: 0} != {**expected, self.dims[0]: 0}:
                raise DataError(
                    f"{file}: {channel.variable} has dimensions {_listed(found)}, but the first "
                    f"file has {_listed(expected)}; all files need one grid"
                )
            if unit != channel.unit:
                raise DataError(
                    f"{file}: {channel.variable} is in {unit or 'no unit'}, but the first file "
                    f"has {channel.unit or 'no unit'}; convert it"
                )
        for dim, first in self.coordinates.items():
            values = axis_values(dataset, dim)
            if (values is None) != (first is None) or not (
                values is None or first is None or np.allclose(values, first, equal_nan=True)
            ):
                raise DataError(
                    f"{file}: has other values of {dim} than the first file; all files need one "
                    "grid, in the same order"
                )

    def _sizes(self, variable: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        return self.layouts[variable].dims, self.layouts[variable].sizes

    def times(self, file: Location, dataset: "Dataset") -> Times | None:
        """The times of a file; None if it has none."""
        coordinate = coordinate_of(dataset, self.dims[0])
        if coordinate is None or coordinate.dtype.kind not in "iuf":
            return None
        try:
            return read_times(coordinate.values, coordinate.attrs)
        except InvalidAttribute as error:
            raise DataError(f"{file}: {self.dims[0]}: {error}; correct the file") from None

    def completed(self, card: "DatasetCard", time_step: str, path: Location) -> "DatasetCard":
        """The data card, completed by what the files say. Raises ConfigError."""
        from simvp.data.card import ChannelCard, DatasetCard

        channels = {
            channel.name: ChannelCard.model_validate(
                {
                    key: getattr(channel, key)
                    for key in ("quantity", "unit")
                    if getattr(channel, key)
                }
            )
            for channel in self.channels
        }
        entries: dict[str, Any] = {"channels": channels}
        if time_step:
            entries["time_step"] = time_step
        if self.is_global:
            entries["boundary_x"] = "periodic"
        rows = self.coordinates.get(self.dims[1])
        if rows is not None:  # pictures have north at the top
            entries["origin"] = "lower" if rows[0] < rows[-1] else "upper"
        return card.completed(DatasetCard.model_validate(entries), path)


def dimension_letter(dataset: "Dataset", dim: str) -> str | None:
    """The letter of a dimension."""
    one_dimensional = [
        (str(name), variable.attrs)
        for name, variable in dataset.variables.items()
        if variable.dims == (dim,)
    ]
    named = [(name, attributes) for name, attributes in one_dimensional if name == dim]
    return cf_axes.letter_of(dim, named or one_dimensional)


def coordinate_of(dataset: "Dataset", dim: str) -> "Variable | None":
    """The coordinate of a dimension: of its name, or the only one that says what it is."""
    if dim in dataset.variables:
        return dataset.variables[dim]
    letter = dimension_letter(dataset, dim)
    found = [
        variable
        for name, variable in dataset.variables.items()
        if variable.dims == (dim,)
        and cf_axes.letter_of("", [(str(name), variable.attrs)]) == letter is not None
    ]
    return found[0] if len(found) == 1 else None


def axis_values(dataset: "Dataset", dim: str) -> NDArray[np.float64] | None:
    """The values of the coordinate of a dimension; None if there are none."""
    coordinate = coordinate_of(dataset, dim)
    if coordinate is None or coordinate.dtype.kind not in "iuf":
        return None
    try:
        return cf_values.decode(coordinate.values, coordinate.attrs)
    except InvalidAttribute as error:
        path = dataset.encoding["source"]
        raise DataError(f"{path}: {dim}: {error}; correct the file") from None


def is_longitude(dataset: "Dataset", dim: str) -> bool:
    coordinate = coordinate_of(dataset, dim)
    is_named = dim.lower() in ("lon", "longitude")
    return coordinate is not None and (is_named or cf_axes.is_horizontal(coordinate.attrs))


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{dim} {size}" for dim, size in sizes.items())
