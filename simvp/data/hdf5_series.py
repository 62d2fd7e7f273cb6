"""Series in HDF5 files, and the source that they form.

T: frames; C: channels; H, W: height and width.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.data.hdf5_store import dataset_at, numeric_shape, open_file, read_values, texts
from simvp.data.series import Frames, Series, Source, select_channels
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

_PARTS = ("train", "validation", "test")
_EVEN = 0.01  # relative difference of time steps that count as even: times are often float32


@dataclass(frozen=True)
class Field:
    """Where a channel is stored.

    Attributes:
        dataset: path of the data set within the file.
        axes: one letter for each axis of the data set: n series, t time, y, x, and c and d for
            the components of vectors and tensors.
        component: position along c and d.
        missing: the stored value that stands for a missing one.
    """

    dataset: str
    axes: str
    component: tuple[int, ...] = ()
    missing: float | None = None


@dataclass(frozen=True)
class Block:
    """Series that are stored together, in one file or group.

    Attributes:
        file: the HDF5 file.
        ids: of its series, in the order of the axis n.
        fields: where each channel is stored.
        frame_size: height and width.
        length: number of frames; None if it is not known yet.
        part: the part of the data set, if it is split already.
        is_8_bit: whether the values are 8-bit integers.
    """

    file: Path
    ids: tuple[str, ...]
    fields: Mapping[str, Field]
    frame_size: tuple[int, int]
    length: int | None
    part: str = ""
    is_8_bit: bool = False


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
            return _sizes(dataset_at(file, self.fields[0].dataset), self.fields[0])["t"]

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
                self._read_channels(dataset_at(file, name), channels, chosen, frames)
        return frames

    def _read_channels(
        self, dataset: "h5py.Dataset", channels: list[int], chosen: slice, target: Frames
    ) -> None:
        """Read the channels that a data set holds into `target`, (T, C, H, W)."""
        fields = [self.fields[channel] for channel in channels]
        self._check_sizes(_sizes(dataset, fields[0]), fields)
        # One reading for all components, because compressed chunks hold them together.
        components = zip(*(item.component for item in fields), strict=True)
        spans = [slice(min(positions), max(positions) + 1) for positions in components]
        index = {"n": self.sample, "t": chosen, **dict(zip("cd", spans, strict=False))}
        axes = fields[0].axes
        values = read_values(dataset, tuple(index.get(axis, slice(None)) for axis in axes))
        order = [axes.replace("n", "").index(axis) for axis in "cdtyx" if axis in axes]
        values = values.transpose(order)
        for channel, item in zip(channels, fields, strict=True):
            position = tuple(i - span.start for i, span in zip(item.component, spans, strict=True))
            with np.errstate(over="ignore"):  # the caller decides about infinite values
                target[:, channel] = values[position]
            if item.missing is not None:
                target[:, channel][values[position] == item.missing] = np.nan

    def _check_sizes(self, sizes: Mapping[str, int], fields: Sequence[Field]) -> None:
        """Raises DataError unless a data set has the frames and channels of this series."""
        components = zip(*(item.component for item in fields), strict=True)
        counts = [max(positions) + 1 for positions in components]
        least = {"n": self.sample + 1, **dict(zip("cd", counts, strict=False))}
        exact = {"t": self.length, "y": self.shape[1], "x": self.shape[2]}
        axes = fields[0].axes
        if any(sizes[a] != exact[a] if a in exact else sizes[a] < least[a] for a in axes):
            expected = tuple(exact.get(a, least.get(a)) for a in axes)
            raise DataError(
                f"{self.file}: {fields[0].dataset}: has shape {tuple(sizes.values())}, but "
                f"{self.id} needs {expected} (axes {axes}); all series need the same channels, "
                "height and width"
            )


def _sizes(dataset: "h5py.Dataset", item: Field) -> dict[str, int]:
    """The size of each axis. Raises DataError if the data set has another number of axes."""
    shape = numeric_shape(dataset)
    if len(shape) != len(item.axes):
        raise DataError(
            f"{dataset.file.filename}: {dataset.name}: has shape {shape}; expected "
            f"{len(item.axes)} axes ({item.axes})"
        )
    return dict(zip(item.axes, shape, strict=True))


def numbered_ids(stem: str, count: int) -> tuple[str, ...]:
    """`stem` for one series; `stem_000`, `stem_001`, ... for several."""
    width = max(3, len(str(count - 1)))
    return (stem,) if count == 1 else tuple(f"{stem}_{i:0{width}d}" for i in range(count))


def make_source(
    path: Path,
    kind: str,
    card: "DatasetCard",
    blocks: Sequence[Block],
    *,
    variables: Sequence[str] | None,
    assumptions: Sequence[str] = (),
) -> Source:
    """The source of all series in `blocks`. Raises DataError or ConfigError."""
    names = tuple(blocks[0].fields)
    _check_blocks(path, blocks)
    channels = select_channels(names, variables, path)[0]
    shape = (len(channels), *blocks[0].frame_size)
    series = [
        Hdf5Series(
            id=series_id,
            channels=channels,
            shape=shape,
            stored_scaling=card.stored_scaling(channels),
            file=block.file,
            fields=tuple(block.fields[name] for name in channels),
            sample=sample,
            known_length=block.length,
        )
        for block in blocks
        for sample, series_id in enumerate(block.ids)
    ]
    return Source(
        path=path,
        kind=kind,
        series=sorted(series, key=lambda item: item.id),
        channels=channels,
        shape=shape,
        card=card,
        is_8_bit=all(block.is_8_bit for block in blocks),
        assumptions=tuple(assumptions),
        parts=_parts(blocks),
    )


def _check_blocks(path: Path, blocks: Sequence[Block]) -> None:
    """Raises DataError unless all have the same channels and frame size, and ids are unique."""
    first = blocks[0]
    names = tuple(first.fields)
    for block in blocks:
        if (tuple(block.fields), block.frame_size) != (names, first.frame_size):
            raise DataError(
                f"{block.file}: has channels {', '.join(block.fields)} of {block.frame_size} "
                f"(height, width), but {first.file} has {', '.join(names)} of {first.frame_size}; "
                "all series need the same channels, height and width"
            )
    counts = Counter(series_id for block in blocks for series_id in block.ids)
    repeated = next((series_id for series_id, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: two series have the name {repeated}; rename one of them")


def _parts(blocks: Sequence[Block]) -> dict[str, tuple[str, ...]]:
    """The ids in each part; a data set that is all in one part is not split yet."""
    parts = {
        part: tuple(sorted(id for block in blocks if block.part == part for id in block.ids))
        for part in _PARTS
    }
    parts = {part: ids for part, ids in parts.items() if ids}
    return parts if len(parts) > 1 else {}


def describe_time_step(file: "h5py.File", name: str) -> tuple[str, str]:
    """The time between two frames, and what to tell the user if there is no such time.

    Args:
        name: path of the times, whose last axis is time.
    Returns: the step with its unit, and an assumption; one of them is empty.
    """
    try:
        dataset = dataset_at(file, name)
    except DataError:
        return "", f"the time step is unknown: {name} is missing or does not hold numbers"
    values = read_values(dataset, (0,) * (len(dataset.shape) - 1)).astype(np.float64)
    unit = " ".join(texts(dataset, "units")) or "time units"
    return _describe_steps(values, name, unit)


def _describe_steps(times: NDArray[np.float64], name: str, unit: str) -> tuple[str, str]:
    steps = np.diff(times)
    if not len(steps):
        return "", f"the time step is unknown: {name} holds one time"
    mean = float(steps.mean())
    if not mean > 0 or not np.allclose(steps, mean, rtol=_EVEN, atol=0):
        return "", f"the times in {name} are not evenly spaced; frames are used as they follow"
    return f"{mean:.4g} {unit}", ""
