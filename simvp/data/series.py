"""The data model: a source holds series of frames.

T: frames; C: channels; H, W: height and width.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.data.locations import Location
from simvp.data.scaling import Scaling
from simvp.data.times import Times
from simvp.errors import ConfigError, did_you_mean

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

Frames = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Series(ABC):
    """One trajectory. A file format implements `length` and `read_stored`.

    Attributes:
        id: unique within its source, and usable as a folder name.
        channels: names of the channels.
        shape: of a frame, (C, H, W).
        stored_scaling: the scaling of the values in the files; None if they are physical values.
        record: what the series is a piece of, between two gaps in time; empty if it is whole.
        record_start: number of its first frame within the record, in which users count frames.
    """

    id: str
    channels: tuple[str, ...]
    shape: tuple[int, int, int]
    stored_scaling: Scaling | None = None
    record: str = ""
    record_start: int = 0

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of frames. Raises DataError if the files do not form a series."""

    @property
    def whole_arrays(self) -> dict[str, int]:
        """Arrays to decompress as a whole before a frame can be read: name and size in bytes."""
        return {}

    @abstractmethod
    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        """Read the frames `range(start, stop, step)`, `step` > 0, as they are stored.

        Returns: (T, C, H, W), float32, NaN where a value is missing.
        Raises: DataError if a frame is missing, damaged or of another shape.
        """

    @property
    def times(self) -> Times | None:
        """The time of each frame; None if it is not known."""
        return None

    @property
    def frames_per_chunk(self) -> int:
        """Number of consecutive frames that the file compresses together, counted from frame 0."""
        return 1

    @property
    def is_remote(self) -> bool:
        """Whether frames are read over a network, with several requests at a time."""
        return False

    def abort_reading(self) -> None:  # noqa: B027  most formats have nothing to end
        """End what other threads are reading, if it may take long. They raise an error."""

    @property
    def bytes_per_frame(self) -> int:
        """Memory that reading a frame takes, as float32."""
        return 4 * math.prod(self.shape)

    def locate(self, frame: int) -> str:
        """Name a frame in an error message."""
        return f"{self.id}, frame {frame}"

    def read(self, start: int, stop: int, step: int = 1) -> Frames:
        """Read the frames `range(start, stop, step)`, `step` > 0, in physical units.

        Returns: (T, C, H, W), float32, NaN where a value is missing.
        Raises: DataError if a frame is missing, damaged or of another shape.
        """
        frames = self.read_stored(start, stop, step)
        return frames if self.stored_scaling is None else self.stored_scaling.to_physical(frames)


@dataclass(frozen=True)
class Coordinates:
    """Where the rows and columns of frames are.

    Attributes:
        dims: names of the dimensions of rows and columns.
        variables: of each coordinate its dimensions, among `dims`, its values and its attributes.
        attributes: of each channel.
        dataset: attributes of the data set as a whole.
    """

    dims: tuple[str, str] = ("y", "x")
    variables: Mapping[str, "Variable"] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dataset: Mapping[str, str] = field(default_factory=dict)


Variable = tuple[tuple[str, ...], NDArray[np.float64], Mapping[str, str]]


@dataclass(frozen=True)
class Source:
    """An opened data set.

    Attributes:
        path: the file or folder.
        kind: the format, a module of `simvp.data.sources`.
        series: the series, sorted by id.
        channels: names of the channels, the same in all series.
        shape: of a frame, (C, H, W), the same in all series.
        card: its data card, completed by what the files say themselves.
        is_8_bit: whether the values are 8-bit integers.
        assumptions: notes on what was assumed and what is left out, for the user to check.
        parts: ids of the series in each part, if the data set is split already.
        variables: names to choose channels by, where a variable may hold several channels; empty if
            they are those of the channels.
        inputs: names of the last channels, which a network is given but does not forecast. A format
            with static fields sets them; for others they are those of the options.
        coordinates: of rows and columns, as far as the files say them.
    """

    path: Location
    kind: str
    series: Sequence[Series]
    channels: tuple[str, ...]
    shape: tuple[int, int, int]
    card: "DatasetCard"
    is_8_bit: bool
    assumptions: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    coordinates: Coordinates = field(default_factory=Coordinates)


@dataclass(frozen=True)
class Options:
    """What to read of a data set, and how, where its files leave it open.

    Attributes:
        variables: names of the channels to use, in this order; None for all.
        inputs: names of channels that are given to the network, but not forecast.
        static: names of fields without a time axis, which are inputs as well.
        axes: order of the axes in the files, letters of "ntcyx"; None if the files say it.
        level: the level to use of a vertical axis; None if there is none.
        crop: rows and columns to use, as "10:50,0:64"; None for all.
        resize: height and width to average frames to, as "64x128"; None to leave them.
    """

    variables: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    axes: str | None = None
    level: str | None = None
    crop: str | None = None
    resize: str | None = None

    def option_of(self, name: str) -> str:
        """The option that names a channel: inputs or variables."""
        return "inputs" if name in self.inputs else "variables"

    def check_names(self) -> None:
        """Raises ConfigError if a name is given twice."""
        given = [
            (name, option)
            for option in ("variables", "inputs", "static")
            for name in getattr(self, option) or ()
        ]
        first: dict[str, str] = {}
        for name, option in given:
            if name in first:
                where = f" with --{first[name]} and --{option}" if first[name] != option else ""
                raise ConfigError(f"{option}: {name} is given twice{where}; name each channel once")
            first[name] = option

    def refuse_level(self, path: Location) -> None:
        """Raises ConfigError if a level is given for files without a vertical axis."""
        if self.level is not None:
            raise ConfigError(f"level = {self.level!r}: {path} names no levels; leave out --level")

    def refuse_layout(self, path: Location, what: str) -> None:
        """Raises ConfigError if axes or a level are given for files that define them."""
        for name, value in (("axes", self.axes), ("level", self.level)):
            if value is not None:
                raise ConfigError(
                    f"{name} = {value!r}: {path} holds {what}, whose axes are known; leave out "
                    f"--{name}"
                )


def select_channels(
    names: Sequence[str], options: Options, path: Location
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and indices of the channels to use, in order: `options.variables`, or all.

    Raises: ConfigError if there is no such channel, or one is named twice.
    """
    chosen = tuple(names if options.variables is None else options.variables)
    for name in chosen:
        if name not in names:
            raise unknown_name(path, "channel", name, names, options)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(
            f"variables: name each channel once, found {', '.join(chosen) or 'none'}; {path} has "
            f"{', '.join(names)}"
        )
    return chosen, tuple(map(names.index, chosen))


def unknown_name(
    where: Location, what: str, name: str, known: Sequence[str], options: Options
) -> ConfigError:
    """The error for a name that the data do not have."""
    return ConfigError(
        f"{options.option_of(name)}: {where} has no {what} {name!r}, only {', '.join(known)}."
        f"{did_you_mean(name, known)}"
    )
