"""Folders of numbered .npy frames: SAMPLE/0.npy, 1.npy, ..., each (H, W) or (C, H, W).

T: frames; C: channels; H, W: height and width.
"""

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.data.checksums import as_digits
from simvp.data.npy import read_array
from simvp.data.segments import changed
from simvp.data.series import Frames, Options, Series, Source, select_channels
from simvp.errors import ConfigError, DataError
from simvp.storage.files import publish_folder

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

_FRAME_NAME = re.compile(r"(0|[1-9]\d*)\.npy")


@dataclass(frozen=True, kw_only=True)
class FrameSeries(Series):
    """A folder of numbered frames.

    Attributes:
        folder: the sample's folder.
        axes: order of the axes in files of three: cyx or yxc.
        selected: indices of the channels to use; None for all.
        listed: the files to use, in order; empty for all frames of the folder.
        checksums: CRC-32 of each listed file, in hexadecimal; empty if not known.
    """

    folder: Path
    axes: str = "cyx"
    selected: tuple[int, ...] | None = None
    listed: tuple[str, ...] = ()
    checksums: tuple[str, ...] = ()

    @cached_property
    def files(self) -> list[str]:
        """Paths of the frames in order. Raises DataError if one is missing in between."""
        for path in self.listed:
            if not os.path.isfile(path):
                raise DataError(
                    f"{path}: is listed in the split file, but there is no such file; restore it, "
                    "or make another split with `simvp split`"
                )
        return list(self.listed) or frame_files(self.folder)

    @property
    def length(self) -> int:
        return len(self.files)

    def locate(self, frame: int) -> str:
        return self.files[frame]

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        paths = self.files[start:stop:step]
        frames = np.empty((len(paths), *self.shape), np.float32)
        with np.errstate(over="ignore"):  # the caller decides about infinite values
            for target, path in zip(frames, paths, strict=True):
                frame = _in_order(open_frame(path), self.axes)
                chosen = frame if self.selected is None else frame[list(self.selected)]
                if chosen.shape != self.shape:
                    raise DataError(
                        f"{path}: has shape {chosen.shape} (channels, height, width), but the "
                        f"first sample has {self.shape}; all frames of all samples need one shape"
                    )
                target[:] = chosen
                if self.checksums:
                    self._check_unchanged(path)
        return frames

    def _check_unchanged(self, path: str) -> None:
        """Compare a listed file with its checksum. Raises DataError if it has changed."""
        checksum = zlib.crc32(Path(path).read_bytes())
        if as_digits(checksum) != self.checksums[self.listed.index(path)]:
            raise changed(self.id)


def matches(path: Path) -> bool:
    """Whether a path is a folder with a folder of numbered frames."""
    if not path.is_dir():
        return False
    try:
        names = [name for name in os.listdir(path) if name[0] != "."]
    except OSError:
        return False
    return any(_has_frames(path / name) for name in names)


def _has_frames(folder: Path) -> bool:
    """Whether a path is a folder with a numbered frame."""
    try:
        return any(_FRAME_NAME.fullmatch(name) for name in os.listdir(folder))
    except OSError:  # no folder, or one that cannot be read
        return False


def open_data(folder: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a folder of samples. Raises DataError or ConfigError."""
    axes = options.axes
    if axes not in (None, "cyx", "yxc"):
        raise ConfigError(f"axes = {axes!r}: the axes of .npy frames are cyx or yxc")
    options.refuse_level(folder)
    samples = list_samples(folder)
    # The first frame gives the shape. All others are compared with it when they are read.
    first = open_frame(frame_files(samples[0])[0])
    order = (axes or "cyx") if first.ndim == 3 else "yx"
    sizes = dict(zip(order, first.shape, strict=True))
    names = card.channel_names(sizes.get("c", 1), folder / "dataset.toml")
    channels, selected = select_channels(names, options, folder)
    common: dict[str, Any] = {
        "channels": channels,
        "shape": (len(channels), sizes["y"], sizes["x"]),
        "stored_scaling": card.stored_scaling(channels),
        "axes": axes or "cyx",
        "selected": None if channels == names else selected,
    }
    return Source(
        path=folder,
        kind="frames",
        series=[FrameSeries(id=path.name, folder=path, **common) for path in samples],
        channels=channels,
        shape=common["shape"],
        card=card,
        is_8_bit=first.dtype.itemsize == 1,
    )


def list_samples(folder: Path) -> list[Path]:
    """List the sample folders of a data folder by name. Raises DataError if there are none."""
    samples = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not samples:
        raise DataError(
            f"{folder}: is empty; expected one folder of frames (0.npy, 1.npy, ...) per sample. "
            "Make data with `simvp simulate`, or name a folder that has some"
        )
    return samples


def frame_files(sample: Path) -> list[str]:
    """List the paths of a sample's frames in order: 0.npy, 1.npy, ...

    Hidden files and files that are not .npy are ignored. Raises DataError if there are no frames,
    a number is missing or a name is not a number.
    """
    try:
        names = [name for name in os.listdir(sample) if name.endswith(".npy") and name[0] != "."]
    except OSError as error:
        raise unreadable(sample, error) from None
    expected = [f"{number}.npy" for number in range(len(names))]
    if not names or set(names) != set(expected):
        raise _wrong_names(sample, names)
    folder = os.fspath(sample)
    return [os.path.join(folder, name) for name in expected]


def _wrong_names(sample: Path, names: Sequence[str]) -> DataError:
    """The error for .npy files of a sample that are not 0.npy, 1.npy, ..."""
    odd = sorted(name for name in names if not _FRAME_NAME.fullmatch(name))
    if odd:
        return DataError(
            f"{sample / odd[0]}: is not a frame number; frames are 0.npy, 1.npy, ... without "
            "leading zeros, so rename the file or move it elsewhere"
        )
    if not names:
        return DataError(
            f"{sample}: contains no frames; add 0.npy, 1.npy, ... or remove the folder"
        )
    numbers = sorted(int(name.removesuffix(".npy")) for name in names)
    missing = next(i for i, number in enumerate(numbers) if number != i)
    return DataError(
        f"{sample}: {missing}.npy is missing although there is {numbers[-1]}.npy; "
        "frames are numbered from 0 without gaps"
    )


def read_frame(path: str | Path, *, axes: str = "cyx") -> Frames:
    """Read one frame, (C, H, W), float32. Raises DataError if the file is not a whole frame.

    The file can neither run code nor make the program allocate more memory than its size.

    Args:
        axes: order of the axes in a file of three; a file of two is (H, W).
    """
    with np.errstate(over="ignore"):  # the caller decides about infinite values
        return np.array(_in_order(open_frame(path), axes), np.float32, order="C")


def _in_order(array: NDArray[np.number], axes: str) -> NDArray[np.number]:
    """The frame of a file, (C, H, W), whose three axes are in the order `axes`."""
    if array.ndim == 2:
        return array[np.newaxis]
    return array if axes == "cyx" else array.transpose([axes.index(axis) for axis in "cyx"])


def open_frame(path: str | Path) -> NDArray[np.number]:
    """Read a frame's file with its stored type and axes. Raises DataError."""
    array = read_array(path, noun="frame")
    if array.ndim not in (2, 3):
        raise DataError(
            f"{path}: has shape {array.shape}; a frame is (height, width) or "
            "(channels, height, width)"
        )
    return array


def write_frames(folder: Path, frames: NDArray[np.float32]) -> None:
    """Save (T, C, H, W) as folder/0.npy, 1.npy, ...; `folder` appears only once it is complete."""
    with publish_folder(folder) as temporary:
        for number, frame in enumerate(frames):
            np.save(temporary / f"{number}.npy", frame, allow_pickle=False)
