"""Which fields a file of The Well holds, and along which axes each of them varies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simvp.data.axes import fit_axes
from simvp.data.hdf5_series import Field
from simvp.data.hdf5_store import dataset_at, find_dataset, texts
from simvp.errors import DataError

if TYPE_CHECKING:  # h5py is imported only where it is used
    import h5py

_AXES = "ntyx"
_COMPONENTS = {"c": 2, "d": 2}  # axes of vectors and tensors


@dataclass(frozen=True)
class Fields:
    """The fields of a file.

    Attributes:
        dims: names of the two spatial axes; the first one becomes the rows.
        sizes: of the axes n, t, y and x, as far as they are known.
        channels: where each component of the fields that vary in time and space is stored.
        datasets: the data sets of the channels.
        static: where each component of the fields that do not vary in time is stored.
        left_out: names of fields that vary in time, but not in space.
        vectors: the components of vectors along columns and rows.
    """

    dims: Sequence[str]
    sizes: dict[str, int] = field(default_factory=dict)
    channels: dict[str, Field] = field(default_factory=dict)
    datasets: list["h5py.Dataset"] = field(default_factory=list)
    static: dict[str, Field] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    vectors: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, dataset: "h5py.Dataset", order: int, varying: str) -> None:
        """Add a field: a scalar (order 0), vector (1) or tensor (2).

        Args:
            varying: the axes of "ntyx" along which it varies. It may have the others with length 1.
        Raises: DataError if its shape does not fit the other fields.
        """
        letters = varying + "cd"[:order]
        axes = fit_axes(dataset.shape, letters, self.sizes | _COMPONENTS)
        if axes is None:
            raise self._misfit(dataset, letters)
        found = dict(zip(axes, dataset.shape, strict=True))
        self.sizes.update({axis: found[axis] for axis in varying})
        components = {
            name if not order else f"{name}_{''.join(self.dims[i] for i in index)}": Field(
                str(dataset.name), axes, index
            )
            for index in np.ndindex((2,) * order)
        }
        if order == 1:
            along_rows, along_columns = components
            self.vectors.append((along_columns, along_rows))
        if "t" not in varying:
            self.static.update(components)
        elif set("yx").isdisjoint(varying):
            self.left_out.append(name)
        else:
            self.channels.update(components)
            self.datasets.append(dataset)

    def _misfit(self, dataset: "h5py.Dataset", letters: str) -> DataError:
        names = {"n": "series", "t": "time", "y": self.dims[0], "x": self.dims[1]}
        expected = ", ".join(names.get(letter, "2") for letter in letters)
        return DataError(
            f"{dataset.file.filename}: {dataset.name}: has shape {dataset.shape}; expected "
            f"({expected}) with the sizes of the other fields"
        )


def read_fields(path: Path, groups: Mapping[str, "h5py.Group"], dims: Sequence[str]) -> Fields:
    """The fields of a file, in its order. Raises DataError if none varies in time and space."""
    entries = []
    for order in range(3):
        group = groups.get(f"t{order}_fields", {})
        for name in _names(group):
            dataset = dataset_at(group, name, booleans=True)
            entries.append((name, dataset, order, _varying(dataset)))
    fields = Fields(dims)
    for _, dataset, _, varying in entries:
        if varying == _AXES:  # the first such field gives all sizes
            fields.sizes.update(zip(_AXES, dataset.shape, strict=False))
            break
    for entry in entries:
        fields.add(*entry)
    if not fields.channels or not set("yx") <= set(fields.sizes):
        raise DataError(
            f"{path}: has no field that varies in time, or none that varies along {dims[0]} or "
            f"{dims[1]}, in t0_fields, t1_fields and t2_fields"
        )
    fields.sizes.setdefault("n", 1)
    _add_scalars(fields, groups.get("scalars", {}))
    return fields


def _add_scalars(fields: Fields, group: "h5py.Group | dict[str, h5py.Dataset]") -> None:
    """Add the scalars, which are constant in space; those that are not numbers are left out."""
    for name in _names(group):
        try:
            dataset = find_dataset(group, name, booleans=True)
        except DataError:
            dataset = None
        if dataset is None or np.all(dataset.attrs.get("time_varying", False)):
            fields.left_out.append(name)
            continue
        axes = fit_axes(dataset.shape, "n", fields.sizes) or fit_axes(dataset.shape, "", {})
        if axes is None:
            fields.left_out.append(name)
        else:
            fields.static.setdefault(name, Field(str(dataset.name), axes))


def _names(group: "h5py.Group | dict[str, h5py.Dataset]") -> list[str]:
    """Names of the fields in a group."""
    listed = texts(group, "field_names") if group else []
    return listed or list(group)


def _varying(dataset: "h5py.Dataset") -> str:
    """The axes of "ntyx" along which a field varies, as its attributes say."""
    attributes = dataset.attrs
    dims = np.ravel(attributes.get("dim_varying", [True, True]))
    if len(dims) != 2:
        raise DataError(
            f"{dataset.file.filename}: {dataset.name}: its attribute dim_varying has {len(dims)} "
            "entries; expected one for each of two spatial dimensions"
        )
    varies = (attributes.get("sample_varying", True), attributes.get("time_varying", True), *dims)
    return "".join(axis for axis, flag in zip(_AXES, varies, strict=True) if np.all(flag))
