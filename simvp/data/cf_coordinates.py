"""Coordinates of rows and columns in CF data sets, and attributes of their variables."""

from collections.abc import Mapping
from typing import Any

from simvp.data import cf_axes, cf_values
from simvp.data.cf_files import opened, read_values
from simvp.data.cf_grid import Grid
from simvp.data.locations import Location
from simvp.data.series import Coordinates, Variable

# How values are stored, which does not apply to decoded values.
_STORAGE = {"_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned"}
_STORAGE |= {"valid_min", "valid_max", "valid_range", "coordinates", "grid_mapping", "bounds"}


def find_coordinates(path: Location, grid: Grid) -> Coordinates:
    """The coordinates of the rows and columns of a grid: of its dimensions, and 2-D ones.

    Raises: DataError if one cannot be read.
    """
    dataset = opened(path)
    rows, columns = grid.dims[1:]
    variables: dict[str, Variable] = {}
    for key, variable in dataset.variables.items():
        name, dims = str(key), tuple(map(str, variable.dims))
        is_coordinate = name in (rows, columns) or cf_axes.is_horizontal(variable.attrs)
        if not is_coordinate or not dims or not set(dims) <= {rows, columns}:
            continue
        if variable.dtype.kind in "iuf":
            values = read_values(str(path), name, dims, {})
            variables[name] = (dims, values, _texts(variable.attrs))
    attributes = {
        channel.name: _texts(dataset.variables[channel.variable].attrs) for channel in grid.channels
    }
    return Coordinates((rows, columns), variables, attributes, _texts(dataset.attrs))


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that are text and describe values."""
    return {
        name: cf_values.as_text(attributes, name)
        for name, value in attributes.items()
        if isinstance(value, (str, bytes)) and name not in _STORAGE
    }
