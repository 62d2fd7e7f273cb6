"""TIFF stacks: ImageJ, OME and plain multi-page files; one file, or a folder with a series each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from simvp.data.card import DatasetCard
from simvp.data.listing import files_of, main_files
from simvp.data.pictures import first_bytes, name_channels, unique_ids
from simvp.data.series import Frames, Options, Series, Source, select_channels
from simvp.data.tiff_stack import TiffStack, is_tiff, read_headers
from simvp.errors import ConfigError, DataError

_SUFFIXES = (".tif", ".tiff")
_LEGEND = "n: series, t: time, c: channel"


@dataclass(frozen=True, kw_only=True)
class TiffSeries(Series):
    """A stack of pictures in a file.

    Attributes:
        path: the file.
        axes: a letter for each axis of the file: n, t, c, z, y, x.
        first: the stack that all files are compared with.
        sample: index along the axis n.
        level: index along the axis z.
        selected: indices of the channels to use.
    """

    path: Path
    axes: str
    first: TiffStack
    sample: int
    level: int
    selected: tuple[int, ...]

    @cached_property
    def _stack(self) -> TiffStack:
        if self.path == self.first.path:
            return self.first
        stack = read_headers(self.path)
        check_like(stack, self.first, self.axes)
        return stack

    @property
    def length(self) -> int:
        return self._stack.size("t", self.axes)

    def locate(self, frame: int) -> str:
        return f"{self.path}, frame {frame}"

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        stop = min(stop, self.length)
        if start >= stop:
            return np.empty((0, *self.shape), np.float32)
        selection: dict[str, int | slice | Sequence[int]] = {
            "n": self.sample,
            "z": self.level,
            "t": slice(start, stop, step),
            "c": self.selected,
        }
        frames = self._stack.with_missing(self._stack.read(self.axes, selection))
        return frames if "c" in self.axes else frames[:, np.newaxis]


def check_like(stack: TiffStack, first: TiffStack, axes: str) -> None:
    """Raises DataError if a stack differs from the first one, except in its number of frames."""

    def describe(one: TiffStack) -> tuple[str, list[int], str]:
        sizes = [s for a, s in zip(axes, one.shape, strict=False) if a not in "tn"]
        return one.labels, sizes, one.dtype.name

    if describe(stack) != describe(first):
        raise DataError(
            f"{stack.path}: has axes {stack.labels} of {stack.shape} and type {stack.dtype.name}, "
            f"but {first.path.name} has {first.labels} of {first.shape} and {first.dtype.name}; "
            "all files need the same, except for the number of frames"
        )


def matches(path: Path) -> bool:
    """Whether a path is a TIFF file, or a folder of TIFF files."""
    try:
        if path.is_dir():
            return any(is_tiff(first_bytes(path / name)) for name in main_files(path, _SUFFIXES))
    except (OSError, DataError):
        return False
    return is_tiff(first_bytes(path))


def open_data(path: Path, card: DatasetCard, options: Options) -> Source:
    """Open a TIFF stack, or a folder of them. Raises DataError or ConfigError."""
    ids = unique_ids(files_of(path, _SUFFIXES))
    first = read_headers(next(iter(ids.values())))
    level = _level(first, options)
    axes = _axes(first, options)
    count = first.size("c", axes)
    colour = first.colour and count in (3, 4) and axes.index("c") == first.axes.index("c")
    if first.channel_names and len(first.channel_names) == count and not card.channels:
        names = first.channel_names
    else:
        names = name_channels(3 if colour else count, card, path, colour=colour)
    channels, selected = select_channels(names, options, path)
    card = card.completed(DatasetCard(time_step=first.time_step), path) if first.time_step else card
    common: dict[str, Any] = {
        "channels": channels,
        "shape": (len(channels), first.size("y", axes), first.size("x", axes)),
        "stored_scaling": card.stored_scaling(channels),
        "axes": axes,
        "first": first,
        "level": level,
        "selected": selected,
    }
    return Source(
        path=path,
        kind="tiff",
        series=list(_list_series(ids, common)),
        channels=channels,
        shape=common["shape"],
        card=card,
        is_8_bit=first.dtype == np.uint8,
        assumptions=_assumptions(first, axes, level, dropped_alpha=colour and count == 4),
    )


def _list_series(ids: dict[str, Path], common: dict[str, Any]) -> list[TiffSeries]:
    """One series for each file, or for each index along n of each file."""
    if "n" not in common["axes"]:
        return [TiffSeries(id=id, path=path, sample=0, **common) for id, path in ids.items()]
    series = []
    for id, path in ids.items():
        stack = read_headers(path)
        check_like(stack, common["first"], common["axes"])
        num_samples = stack.size("n", common["axes"])
        width = len(str(num_samples - 1))
        series += [
            TiffSeries(id=f"{id}_{n:0{width}}", path=path, sample=n, **common)
            for n in range(num_samples)
        ]
    return series


def _assumptions(
    stack: TiffStack, axes: str, level: int, *, dropped_alpha: bool
) -> tuple[str, ...]:
    notes = list(stack.notes)
    if axes != stack.axes:
        notes.append(f"axes {axes}, where {stack.path.name} says {stack.labels}")
    if "z" in axes:
        notes.append(f"level {level} of the {stack.size('z', axes)} planes of the vertical axis")
    if dropped_alpha:
        notes.append("the pictures have an alpha channel: it was dropped")
    return tuple(notes)


def _says(stack: TiffStack) -> str:
    return f"{stack.path}: has axes {stack.labels} of {stack.shape}"


def _level(stack: TiffStack, options: Options) -> int:
    """Index of the plane to use. Raises ConfigError if it is not given, or there is none."""
    planes = stack.size("z")
    overruled = options.axes is not None and len(options.axes) == len(stack.axes)
    if "z" not in stack.axes or overruled:
        if options.level is not None:
            raise ConfigError(
                f"level = {options.level!r}: {_says(stack)}, so there is no vertical axis; leave "
                "out --level"
            )
        return 0
    if options.level is None:
        frames = stack.axes.replace("z", "t")
        other = f"; or, if its planes are frames, --axes {frames}" if "t" not in stack.axes else ""
        raise ConfigError(
            f"{_says(stack)}, a vertical axis Z of {planes} planes; choose one, "
            f"--level 0 to --level {planes - 1}{other}"
        )
    if not options.level.isdecimal() or int(options.level) >= planes:
        raise ConfigError(
            f"level = {options.level!r}: {_says(stack)}; the planes of Z are 0 to {planes - 1}"
        )
    return int(options.level)


def _axes(stack: TiffStack, options: Options) -> str:
    """A letter for each axis. Raises ConfigError if that cannot be known."""
    if options.axes is not None:
        return _given_axes(stack, options.axes)
    unknown = stack.axes.count("?")
    free = [letter for letter in "tcn" if letter not in stack.axes]
    candidates = [
        _filled(stack.axes, letters)
        for letters in permutations(free, unknown)
        if "t" in stack.axes or "t" in letters
    ]
    if len(candidates) == 1 and set(stack.labels) & set("IQ"):  # pages, which count frames
        return candidates[0]
    if unknown and candidates:
        choices = ", ".join(f"--axes {axes.replace('z', '')}" for axes in candidates)
        raise ConfigError(
            f"{_says(stack)}, and does not say what each of them is; choose one of {choices} "
            f"({_LEGEND})"
        )
    if not candidates or "t" not in stack.axes:
        raise DataError(
            f"{_says(stack)}; a series needs a time axis. If an axis counts frames, say so with "
            "--axes; for one picture per file, give a folder of numbered files"
        )
    return stack.axes


def _filled(axes: str, letters: tuple[str, ...]) -> str:
    """The axes with letters in place of ?."""
    for letter in letters:
        axes = axes.replace("?", letter, 1)
    return axes


def _given_axes(stack: TiffStack, given: str) -> str:
    """The axes of `--axes`, with z where the file has it. Raises ConfigError if they do not fit."""
    axes = given
    if "z" in stack.axes and len(given) == len(stack.axes) - 1:
        position = stack.axes.index("z")
        axes = given[:position] + "z" + given[position:]
    valid = (
        set(given) <= set("ntcyx") and len(set(given)) == len(given) and set("tyx") <= set(given)
    )
    if not valid or len(axes) != len(stack.axes):
        raise ConfigError(
            f"axes = {given!r}: {_says(stack)}; give one letter for each, among them t, y and x "
            f"({_LEGEND})"
        )
    return axes
