"""Series within arrays of up to five axes: series, time, channel, rows, columns.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simvp.data.axes import as_text
from simvp.data.scaling import Scaling
from simvp.data.series import Frames, Options, Series, select_channels
from simvp.data.static_fields import choose_static
from simvp.data.stored_arrays import Index, StaticArray, StoredArray
from simvp.errors import ConfigError, DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard


@dataclass(frozen=True, kw_only=True)
class StackSeries(Series):
    """One series of arrays with the same axes, whose channels are stacked.

    Attributes:
        arrays: the arrays to stack.
        axes: order of their axes, letters of "ntcyx".
        position: of the series along the axis n; 0 if there is none.
        selected: indices of the channels to use among those of all arrays.
        static: the fields without time that follow these channels.
    """

    arrays: tuple[StoredArray, ...]
    axes: str
    position: int
    selected: tuple[int, ...]
    static: tuple[StaticArray, ...] = ()

    @property
    def length(self) -> int:
        return self.arrays[0].shape[self.axes.index("t")]

    @property
    def whole_arrays(self) -> dict[str, int]:
        return {array.where: size for array in self.arrays if (size := array.bytes_at_once)}

    def locate(self, frame: int) -> str:
        return f"{self.arrays[0].where}: {self.id}, frame {frame}"

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        frames = self._read_stacks(start, stop, step)
        if not self.static:
            return frames
        constant = np.empty((len(self.static), *self.shape[1:]), np.float32)
        with np.errstate(over="ignore"):
            for target, item in zip(constant, self.static, strict=True):
                target[:] = item.read(self.position)
        repeated = np.broadcast_to(constant, (len(frames), *constant.shape))
        return np.concatenate([frames, repeated], axis=1)

    def _read_stacks(self, start: int, stop: int, step: int) -> Frames:
        """The channels that vary in time, (T, C, H, W)."""
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
    def whole_arrays(self) -> dict[str, int]:
        return {name: size for piece in self.pieces for name, size in piece.whole_arrays.items()}

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        wanted = range(self.length)[start:stop:step]
        read, offset = [np.empty((0, *self.shape), np.float32)], 0
        for piece in self.pieces:
            frames = [f - offset for f in wanted if offset <= f < offset + piece.length]
            if frames:
                read.append(piece.read_stored(frames[0], frames[-1] + 1, step))
            offset += piece.length
        return np.concatenate(read)


def series_of_stack(
    arrays: Sequence[StoredArray],
    axes: str,
    static: Mapping[str, StaticArray],
    *,
    name: str,
    options: Options,
    card: "DatasetCard",
    card_path: Path,
) -> list[StackSeries]:
    """The series of arrays of one shape.

    Args:
        axes: their axes.
        static: the fields without time beside them, of which the options name those to use.
        name: the id of a single series; several are numbered.
    Raises: DataError or ConfigError.
    """
    first = arrays[0]
    sizes = dict(zip(axes, first.shape, strict=True))
    if sizes["t"] < 2:
        raise DataError(
            f"{first.where}: has the shape {as_text(first.shape)}, read as {axes}: one frame is no "
            "series"
        )
    card_names = tuple(channel for channel in card.channels if channel not in options.static)
    names = _channel_names(arrays, sizes.get("c"), card, card_names, card_path)
    others = (*names, *(array.name for array in arrays))
    chosen = choose_static(first.path, options, list(static), others)
    by_array = options.variables is None or any(a.name in options.variables for a in arrays)
    channels = names if by_array else select_channels(names, options, first.path)[0]
    scaling = card.stored_scaling((*channels, *chosen))
    used = {field: static[field] for field in chosen}
    return number_series(arrays, name, axes, channels, names, scaling, used)


def number_series(
    arrays: Sequence[StoredArray],
    name: str,
    axes: str,
    channels: tuple[str, ...],
    names: tuple[str, ...],
    scaling: Scaling | None,
    static: Mapping[str, StaticArray] | None = None,
) -> list[StackSeries]:
    """The series along the axis n of arrays, `name_0`, ...; one series, `name`, without this axis.

    Args:
        channels: names of the channels to use, among the `names` of all.
        scaling: of the stored values of these channels and static fields.
        static: the static fields to use.
    """
    sizes = dict(zip(axes, arrays[0].shape, strict=True))
    static = static or {}
    common: dict[str, Any] = {
        "channels": (*channels, *static),
        "shape": (len(channels) + len(static), sizes["y"], sizes["x"]),
        "stored_scaling": scaling,
        "arrays": tuple(arrays),
        "axes": axes,
        "selected": tuple(map(names.index, channels)),
        "static": tuple(static.values()),
    }
    if "n" not in sizes:
        return [StackSeries(id=name, position=0, **common)]
    width = len(str(sizes["n"] - 1))
    return [StackSeries(id=f"{name}_{i:0{width}}", position=i, **common) for i in range(sizes["n"])]


def input_names(series: StackSeries, options: Options) -> tuple[str, ...]:
    """The channels of a series that `options.inputs` and `options.static` name.

    If an array has several channels, `options.inputs` names the array.
    """
    count = len(series.selected)
    per_array = count // len(series.arrays)
    inputs = (
        channel
        for i, channel in enumerate(series.channels[:count])
        if {channel, series.arrays[i // per_array].name} & set(options.inputs)
    )
    return (*inputs, *series.channels[count:])


def _channel_names(
    arrays: Sequence[StoredArray],
    per_array: int | None,
    card: "DatasetCard",
    card_names: tuple[str, ...],
    card_path: Path,
) -> tuple[str, ...]:
    """Names of the channels: those of the arrays, of the card, or numbers.

    Args:
        card_names: names in the card that are not those of static fields.
    """
    named = [array.name for array in arrays]
    if named == [""]:
        return card.channel_names(per_array or 1, card_path)
    if per_array is None:
        names = tuple(named)
    elif len(named) == 1 and len(card_names) == per_array:
        names = card_names
    elif per_array == 1:
        names = tuple(named)
    else:
        names = tuple(f"{name}_{i}" for name in named for i in range(per_array))
    if card_names and not set(names) & set(card_names):
        raise ConfigError(
            f"{card_path}: names the channels {', '.join(card_names)}, but {arrays[0].path} has "
            f"{', '.join(names)}"
        )
    return names
