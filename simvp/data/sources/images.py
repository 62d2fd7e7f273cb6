"""Folders of pictures: SAMPLE/frame_0.png, frame_1.png, ...; or one folder as a single series.

PNG, JPEG, BMP, GIF and TIFF, 8 or 16 bit, grey or colour, one picture per file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from simvp.data.card import DatasetCard
from simvp.data.listing import files_in, folders_in, main_files
from simvp.data.picture_files import MAGIC, read_picture
from simvp.data.pictures import first_bytes, name_channels, numbering
from simvp.data.series import Frames, Options, Series, Source, select_channels
from simvp.data.tiff_stack import is_tiff, read_headers
from simvp.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
_FILES_TO_TRY = 20


@dataclass(frozen=True, kw_only=True)
class PictureSeries(Series):
    """A folder of numbered pictures.

    Attributes:
        folder: the folder.
        stored: shape (C, H, W) and type of each picture in the files.
        selected: indices of the channels to use.
    """

    folder: Path
    stored: tuple[tuple[int, ...], str]
    selected: tuple[int, ...]

    @cached_property
    def files(self) -> list[str]:
        """Names of the files in order. Raises DataError if one is missing in between."""
        return numbering(self.folder, files_in(self.folder, SUFFIXES))[0]

    @property
    def length(self) -> int:
        return len(self.files)

    def locate(self, frame: int) -> str:
        return str(self.folder / self.files[frame])

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        names = self.files[start:stop:step]
        frames = np.empty((len(names), *self.shape), np.float32)
        for target, name in zip(frames, names, strict=True):
            values = read_picture(self.folder / name).values
            if (values.shape, values.dtype.name) != self.stored:
                shape, dtype = self.stored
                raise DataError(
                    f"{self.folder / name}: has shape {values.shape} (channels, height, width) and "
                    f"type {values.dtype}, but the first picture has {shape} and {dtype}; all "
                    "pictures of all samples need one shape and type"
                )
            target[:] = values[list(self.selected)]
        return frames


def matches(path: Path) -> bool:
    """Whether a path is a folder of pictures, or of such folders."""
    try:
        files = islice(_files(path), _FILES_TO_TRY) if path.is_dir() else ()
        known = (known for known in map(_is_picture, files) if known is not None)
        return next(known, False)
    except (OSError, DataError):
        return False


def _files(folder: Path) -> Iterator[Path]:
    """Files that may be pictures, first of the folder, then of the folders in it."""
    for place in (folder, *folders_in(folder)):
        yield from (place / name for name in main_files(place, SUFFIXES))


def _is_picture(path: Path) -> bool | None:
    """Whether a file is one picture; None if it is damaged."""
    start = first_bytes(path)
    if not is_tiff(start):
        return start.startswith(MAGIC) or None
    try:
        return set(read_headers(path).axes) <= set("cyx")
    except DataError:
        return None


def open_data(path: Path, card: DatasetCard, options: Options) -> Source:
    """Open a folder of pictures, or of such folders. Raises DataError or ConfigError."""
    options.refuse_layout(path, "pictures")
    samples, step_note = _list_samples(path)
    # The first picture gives the shape. All others are compared with it when they are read.
    first = read_picture(samples[0] / numbering(samples[0], files_in(samples[0], SUFFIXES))[0][0])
    count, height, width = first.values.shape
    names = name_channels(count, card, path, colour=count == 3)
    channels, selected = select_channels(names, options, path)
    common: dict[str, Any] = {
        "channels": channels,
        "shape": (len(channels), height, width),
        "stored_scaling": card.stored_scaling(channels),
        "stored": (first.values.shape, first.values.dtype.name),
        "selected": selected,
    }
    return Source(
        path=path,
        kind="images",
        series=[
            PictureSeries(id=folder.name or folder.resolve().name, folder=folder, **common)
            for folder in samples
        ],
        channels=channels,
        shape=common["shape"],
        card=card,
        is_8_bit=first.values.dtype == np.uint8,
        assumptions=(*step_note, *first.notes),
    )


def _list_samples(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The folders of pictures, and a note if their numbers have a step other than 1.

    Raises: DataError if a folder has no pictures, or its numbers have gaps or another step.
    """
    folders = folders_in(path)
    single = files_in(path, SUFFIXES)
    with_pictures = [folder for folder in folders if files_in(folder, SUFFIXES)]
    if single and with_pictures:
        raise DataError(
            f"{path}: holds pictures ({single[0]}) and folders of pictures "
            f"({with_pictures[0].name}); keep one folder per sample, or pictures only"
        )
    samples = [path] if single else folders
    step = None
    for folder in samples:
        names = files_in(folder, SUFFIXES)
        if not names:
            raise DataError(
                f"{folder}: contains no pictures ({', '.join(SUFFIXES)}); add them, or remove the "
                "folder"
            )
        numbers = numbering(folder, names)[1]
        if step is None and len(numbers) > 1:
            step, like = numbers.step, folder
        elif len(numbers) > 1 and numbers.step != step:
            raise DataError(
                f"{folder}: its frames are numbered in steps of {numbers.step}, those of "
                f"{like.name} in steps of {step}; all samples need the same time step"
            )
    note = f"the numbers of the frames go in steps of {step}, taken as one time step"
    return samples, (note,) if step not in (None, 1) else ()
