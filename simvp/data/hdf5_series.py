"""Series in HDF5 files.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simvp.data.hdf5_store import dataset_at, numeric_shape, open_file, read_values
from simvp.data.series import Frames, Series
from simvp.errors import DataError

if TYPE_CHECKING:  # h5py is imported only where it is used
    import h5py


@dataclass(frozen=True)
class Field:
    """Where a channel is stored.

    Attributes:
        dataset: path of the data set within the file.
        axes: one letter for each axis of the data set: n series, t time, y, x, c and d for the
            components of vectors and tensors, and 1 for an axis of length 1. Values are repeated
            along axes that the data set does not have.
        component: position along c and d.
        missing: the stored value that stands for a missing one.
    """

    dataset: str
    axes: str
    component: tuple[int, ...] = ()
    missing: float | None = None


@dataclass(frozen=True, kw_only=True)
class Hdf5Series(Series):
    """One series in an HDF5 file, which is opened for each reading.

    Attributes:
        file: the HDF5 file.
        fields: where each channel is stored.
        sample: position along the axis n, if there is one.
        known_length: number of frames, if it is known already.
    """

    file: Path
    fields: tuple[Field, ...]
    sample: int = 0
    known_length: int | None = None

    @cached_property
    def _length(self) -> int:
        with open_file(self.file) as file:
            item = self.fields[0]
            return _shape(dataset_at(file, item.dataset), item)[item.axes.index("t")]

    @property
    def length(self) -> int:
        return self._length if self.known_length is None else self.known_length

    @cached_property
    def frames_per_chunk(self) -> int:
        with open_file(self.file) as file:
            chunks = dataset_at(file, self.fields[0].dataset).chunks
        return int(chunks[self.fields[0].axes.index("t")]) if chunks else 1

    def locate(self, frame: int) -> str:
        return f"{self.file}: {self.id}, frame {frame}"

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        chosen = slice(start, stop, step)
        frames = np.empty((len(range(self.length)[chosen]), *self.shape), np.float32)
        with open_file(self.file) as file:
            for name in dict.fromkeys(item.dataset for item in self.fields):
                channels = [i for i, item in enumerate(self.fields) if item.dataset == name]
                dataset = dataset_at(file, name, booleans=True)
                self._read_channels(dataset, channels, chosen, frames)
        return frames

    def _read_channels(
        self, dataset: "h5py.Dataset", channels: list[int], chosen: slice, target: Frames
    ) -> None:
        """Read the channels that a data set holds into `target`, (T, C, H, W)."""
        fields = [self.fields[channel] for channel in channels]
        self._check_sizes(dataset, fields)
        # One reading for all components, because compressed chunks hold them together.
        components = zip(*(item.component for item in fields), strict=True)
        spans = [slice(min(positions), max(positions) + 1) for positions in components]
        index = {"n": self.sample, "1": 0, "t": chosen, **dict(zip("cd", spans, strict=False))}
        axes = fields[0].axes
        values = read_values(dataset, tuple(index.get(axis, slice(None)) for axis in axes))
        left = axes.replace("n", "").replace("1", "")
        values = values.transpose([left.index(axis) for axis in "cdtyx" if axis in left])
        repeated = tuple(slice(None) if axis in left else np.newaxis for axis in "tyx")
        for channel, item in zip(channels, fields, strict=True):
            position = tuple(i - span.start for i, span in zip(item.component, spans, strict=True))
            stored = values[(*position, *repeated)]
            with np.errstate(over="ignore"):  # the caller decides about infinite values
                target[:, channel] = stored
            if item.missing is not None:
                np.copyto(target[:, channel], np.nan, where=stored == item.missing)

    def _check_sizes(self, dataset: "h5py.Dataset", fields: Sequence[Field]) -> None:
        """Raises DataError unless a data set has the frames and channels of this series."""
        components = zip(*(item.component for item in fields), strict=True)
        counts = [max(positions) + 1 for positions in components]
        least = {"n": self.sample + 1, **dict(zip("cd", counts, strict=False))}
        exact = {"t": self.length, "y": self.shape[1], "x": self.shape[2], "1": 1}
        axes, shape = fields[0].axes, _shape(dataset, fields[0])
        sizes = list(zip(axes, shape, strict=True))
        if any(size != exact[a] if a in exact else size < least[a] for a, size in sizes):
            expected = tuple(exact.get(a, least.get(a)) for a in axes)
            raise DataError(
                f"{self.file}: {fields[0].dataset}: has shape {shape}, but "
                f"{self.id} needs {expected} (axes {axes}); all series need the same channels, "
                "height and width"
            )


def _shape(dataset: "h5py.Dataset", item: Field) -> tuple[int, ...]:
    """The shape of a data set. Raises DataError if it has another number of axes."""
    shape = numeric_shape(dataset, booleans=True)
    if len(shape) != len(item.axes):
        raise DataError(
            f"{dataset.file.filename}: {dataset.name}: has shape {shape}; expected "
            f"{len(item.axes)} axes ({item.axes})"
        )
    return shape
