"""Where the frames of a run are, in words."""

from simvp.data.description import DataDescription
from simvp.data.series import Coordinates
from simvp.data.split import read_split
from simvp.errors import UserError


def describe_grid(split: str, data: DataDescription) -> str:
    """`lon -4 to 8.5 degrees_east, left to right; lat 49 to 57 degrees_north, bottom to top`.

    Args:
        split: the split file that the run was trained with.
    Returns: the coordinates that rows and columns have; empty if the data are not there any more.
    """
    try:
        coordinates = read_split(split).coordinates
    except UserError:  # a picture does not need them
        return ""
    rows, columns = coordinates.dims
    upwards = "bottom to top" if data.card.origin == "lower" else "top to bottom"
    parts = [_along(coordinates, columns, "left to right"), _along(coordinates, rows, upwards)]
    return "; ".join(filter(None, parts))


def _along(coordinates: Coordinates, dim: str, direction: str) -> str:
    """The first and last value of a dimension's coordinate; empty if it has none."""
    if dim not in coordinates.variables:
        return ""
    _, values, attributes = coordinates.variables[dim]
    unit = attributes.get("units", "")
    return f"{dim} {values[0]:.5g} to {values[-1]:.5g} {unit}".strip() + f", {direction}"
