"""Static fields of a CF data set: variables without a time axis, on the grid of the channels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simvp.data import cf_values
from simvp.data.cf_axes import Layout
from simvp.data.cf_grid import dimension_letter
from simvp.data.npy import is_number

if TYPE_CHECKING:
    from xarray import Dataset, Variable

_NOT_FIELDS = ("bounds", "climatology", "grid_mapping")  # attributes that name other variables


def static_layouts(
    dataset: "Dataset", dims: tuple[str, str, str], member_dim: str
) -> dict[str, Layout]:
    """The layouts of the variables that can be static fields, by name.

    They may have the axes of series, y and x of the channels, a vertical axis, and axes of length
    1. Latitudes and longitudes are fields as well; other coordinates are not.

    Args:
        dims: the dimensions of time, y and x of the channels.
        member_dim: the dimension that counts series; empty if there is none.
    """
    letters = {dims[1]: "y", dims[2]: "x", **({member_dim: "n"} if member_dim else {})}
    others = {
        word.rstrip(":")
        for variable in dataset.variables.values()
        for key in _NOT_FIELDS
        for word in cf_values.as_text(variable.attrs, key).split()
    }
    others |= {str(dim) for dim in dataset.dims} - set(dims[1:])
    found = {}
    for name, variable in dataset.variables.items():
        layout = _layout(dataset, variable, letters)
        is_field = is_number(variable.dtype) and 0 not in variable.shape and name not in others
        if is_field and dims[0] not in variable.dims and None not in layout.letters:
            found[str(name)] = layout
    return found


def _layout(dataset: "Dataset", variable: "Variable", letters: Mapping[str, str]) -> Layout:
    """The axes of a variable; None for those that a static field cannot have."""
    dims = [str(dim) for dim in variable.dims]
    known = [letters.get(dim) for dim in dims]
    for position, (dim, size) in enumerate(zip(dims, variable.shape, strict=True)):
        if known[position] is None and size == 1:
            known[position] = "1"
        elif known[position] is None and dimension_letter(dataset, dim) == "z":
            known[position] = "z"
    return Layout(tuple(dims), tuple(variable.shape), tuple(known))
