"""Samples on disk: folders of numbered frames, read with every check and written atomically.

T: frames; C: channels; H, W: height and width.
"""

import functools
import io
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvp.errors import DataError
from simvp.storage.files import publish_folder

Frame = NDArray[np.float32]

_FRAME_NAME = re.compile(r"(0|[1-9]\d*)\.npy")
_MAGIC = b"\x93NUMPY"
_RESAVE = "save the frame again with numpy.save"


def list_samples(folder: Path) -> list[Path]:
    """The sample folders in a data folder, by name. Raises DataError if there are none."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise DataError(
            f"{folder}: needs a folder of samples, found {found}; "
            "make data with `simvp simulate`, or name yours with --data-path"
        )
    samples = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not samples:
        raise DataError(
            f"{folder}: is empty, needs one folder of frames (0.npy, 1.npy, ...) per sample; "
            "make data with `simvp simulate`, or name yours with --data-path"
        )
    return samples


def frame_files(sample: Path) -> list[str]:
    """The paths of a sample's frames in their order: 0.npy, 1.npy, ... without a gap.

    Hidden files and files that are not .npy are passed over. Raises DataError.
    """
    names = [name for name in os.listdir(sample) if name.endswith(".npy") and name[0] != "."]
    odd = sorted(name for name in names if not _FRAME_NAME.fullmatch(name))
    if odd:
        raise DataError(
            f"{sample / odd[0]}: is not a frame number; frames are 0.npy, 1.npy, ... "
            "without leading zeros, so rename it or move it away"
        )
    if not names:
        raise DataError(f"{sample}: holds no frames; needs 0.npy, 1.npy, ... or no such folder")
    numbers = sorted(int(name.removesuffix(".npy")) for name in names)
    if numbers[-1] != len(numbers) - 1:
        missing = next(i for i, number in enumerate(numbers) if number != i)
        raise DataError(
            f"{sample}: {missing}.npy is missing although there is {numbers[-1]}.npy; "
            "frames are numbered from 0 without a gap"
        )
    return [os.path.join(sample, f"{number}.npy") for number in numbers]


def read_frame(path: str | Path) -> Frame:
    """One frame of data, (C, H, W), float32 in [0, 1].

    Raises: DataError if it is not a whole frame of such numbers.
    """
    return _as_data(path, _read_array(path)[0])


def _as_data(path: str | Path, array: NDArray[np.floating]) -> Frame:
    frame = _as_frame(path, array)
    low, high = float(frame.min()), float(frame.max())
    if not (low >= 0.0 and high <= 1.0):  # also when either is NaN
        raise DataError(_describe_values(path, frame, low, high))
    return frame


def read_any_frame(path: str | Path) -> Frame:
    """One frame, (C, H, W), float32; a forecast may have any values.

    Nothing that the file claims is believed before it is compared with the file's size, and
    nothing in it can run code. Raises DataError if it is not a whole frame.
    """
    return _as_frame(path, _read_array(path)[0])


def _as_frame(path: str | Path, array: NDArray[np.floating]) -> Frame:
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"{path}: has shape {array.shape}; a frame is (height, width) or "
            "(channels, height, width)"
        )
    frame = array.astype(np.float32)
    return frame if frame.ndim == 3 else frame[np.newaxis]


def read_sample(paths: Sequence[str]) -> tuple[Frame, tuple[str, ...]]:
    """The frames of one sample, (T, C, H, W), and the checksums of their files.

    Raises: DataError if one is bad or the shapes differ.
    """
    frames, checksums = [], []
    for path in paths:
        array, checksum = _read_array(path)
        frames.append(_as_data(path, array))
        checksums.append(checksum)
        if frames[-1].shape != frames[0].shape:
            raise DataError(
                f"{path}: has shape {frames[-1].shape} (channels, height, width), but {paths[0]} "
                f"has {frames[0].shape}; all frames need one shape"
            )
    return np.stack(frames), tuple(checksums)


def write_frames(folder: Path, frames: NDArray[np.float32]) -> None:
    """Save (T, C, H, W) as folder/0.npy, 1.npy, ...; `folder` appears only when it is complete."""
    with publish_folder(folder) as temporary:
        for number, frame in enumerate(frames):
            np.save(temporary / f"{number}.npy", frame, allow_pickle=False)


def _read_array(path: str | Path) -> tuple[NDArray[np.floating], str]:
    """The array in an .npy file, and the checksum of the file."""
    if not os.path.isfile(path):  # opening a FIFO would wait for ever
        found = "something else" if os.path.lexists(path) else "nothing"
        raise DataError(f"{path}: needs a frame's file, found {found}; {_RESAVE}")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not data.startswith(_MAGIC):
        found = "an empty file" if not data else f"a file that starts with {data[:6]!r}"
        raise DataError(f"{path}: is not an .npy file but {found}; {_RESAVE}")
    # A format of 1 has a length of two bytes behind magic and version, later ones of four.
    length_bytes = 2 if data[6:7] == b"\x01" else 4
    start = 8 + length_bytes + int.from_bytes(data[8 : 8 + length_bytes], "little")
    try:
        shape, fortran_order, dtype = _parse_header(data[:start])
    except ValueError as error:
        raise DataError(f"{path}: its .npy header is damaged ({error}); {_RESAVE}") from None
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise DataError(
            f"{path}: holds {dtype}; frames are float16, float32 or float64, scaled to [0, 1]"
        )
    count = int(np.prod(shape, dtype=object))
    expected = start + count * dtype.itemsize
    if len(data) != expected:
        state = "truncated" if len(data) < expected else "followed by other bytes"
        raise DataError(
            f"{path}: is {state}: {len(data)} bytes, but its header says {expected}; {_RESAVE}"
        )
    values = np.frombuffer(data, dtype=dtype, offset=start)
    array = values.reshape(shape, order="F" if fortran_order else "C")
    return array, f"{zlib.crc32(data):08x}"


@functools.lru_cache(maxsize=64)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype; cached, for the frames of a data set share one header."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]}")


def _describe_values(path: str | Path, frame: Frame, low: float, high: float) -> str:
    finite = np.isfinite(frame)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        bad = int(finite.size - finite.sum())
        return (
            f"{path}: {bad} of {finite.size} values are not finite, the first "
            f"({frame[where]}) at index {where}; fix or remove the sample"
        )
    return (
        f"{path}: values from {low:g} to {high:g}, needed within [0, 1]; scale all frames of "
        "all samples alike: (x - lowest) / (highest - lowest)"
    )
