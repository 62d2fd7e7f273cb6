"""Reading a stack of pictures from a TIFF file, with the axes that the file itself names."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.errors import DataError

if TYPE_CHECKING:
    from tifffile import TiffFile

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GDAL_NODATA = 42113
_WHITE_IS_ZERO, _PALETTE, _COLOUR = 0, 3, (2, 6)  # values of PhotometricInterpretation
_LETTERS = {"T": "t", "C": "c", "Z": "z", "Y": "y", "X": "x"}
Selection = Mapping[str, int | slice | Sequence[int]]


@dataclass(frozen=True)
class TiffStack:
    """What the headers of a TIFF file say.

    Attributes:
        path: the file.
        axes: a letter for each axis: t, c, z, y, x, or ? where the file does not say.
        labels: the same in the letters of tifffile.
        shape: sizes of these axes.
        dtype: type of the values, with their byte order.
        offset: where the values start in the file; None if they are not in one piece.
        colour: whether the channels are red, green, blue and perhaps alpha.
        nodata: the value that marks missing ones.
        channel_names, time_step: what an OME or ImageJ header says of them.
        notes: what a user should know of them.
    """

    path: Path
    axes: str
    labels: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    colour: bool
    nodata: float | None
    channel_names: tuple[str, ...]
    time_step: str
    notes: tuple[str, ...]

    def size(self, axis: str, axes: str = "") -> int:
        """Size of an axis, by the letters `axes`; 1 if there is no such axis."""
        return dict(zip(axes or self.axes, self.shape, strict=True)).get(axis, 1)

    def read(self, axes: str, selection: Selection) -> NDArray[np.number]:
        """Read a part of the stack; of a file in pages only the pages needed.

        Args:
            axes: a letter for each axis.
            selection: what to read of each axis; an index drops the axis.
        Returns: the values, their axes in the order t, c, y, x as far as there are such.
        Raises: DataError if the file is damaged.
        """
        try:
            if self.offset is not None:
                array: NDArray[np.number] = np.memmap(
                    self.path, self.dtype, "r", self.offset, self.shape
                )
                values = _pick(array, axes, selection)
            else:
                values = self._read_pages(axes, selection)
        except Exception as error:  # decoders raise many types for damaged files
            raise _unreadable(self.path, error) from None
        left = [a for a in axes if not isinstance(selection.get(a), int)]
        return values.transpose([left.index(a) for a in "tcyx" if a in left])

    def _read_pages(self, axes: str, selection: Selection) -> NDArray[np.number]:
        with _open(self.path) as tif:
            pages = [page for series in tif.series for page in series.pages]
            outer = next(k for k in range(len(axes) + 1) if math.prod(self.shape[:k]) == len(pages))
            numbers = np.arange(len(pages)).reshape(self.shape[:outer])
            numbers = _pick(numbers, axes[:outer], selection)
            read = [
                _pick(_decoded(pages[i]).reshape(self.shape[outer:]), axes[outer:], selection)
                for i in numbers.flat
            ]
        return np.stack(read).reshape(*numbers.shape, *read[0].shape)

    def with_missing(self, values: NDArray[np.number]) -> NDArray[np.float32]:
        """Values as float32, NaN where they are missing."""
        with np.errstate(over="ignore"):  # the caller decides about infinite values
            frames = np.array(values, np.float32, order="C")
        if self.nodata is not None:
            frames[frames == np.float32(self.nodata)] = np.nan
        return frames


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a TIFF."""
    return start.startswith(_MAGIC)


def read_headers(path: Path) -> TiffStack:
    """Read the headers of a TIFF file. Raises DataError if it is not one stack of numbers."""
    try:
        with _open(path) as tif:
            stack, problem = _describe(path, tif)
    except Exception as error:  # tifffile raises many types for damaged files
        raise _unreadable(path, error) from None
    if not problem and (stack.dtype.kind not in "fiu" or stack.dtype.itemsize > 8):
        problem = f"holds {stack.dtype}; frames are integers or floats up to 64 bits"
    if not problem and stack.offset is not None:
        needed = stack.offset + math.prod(stack.shape) * stack.dtype.itemsize
        if needed > os.path.getsize(path):
            problem = f"is truncated: it needs {needed} bytes, but has {os.path.getsize(path)}"
    if problem:
        raise DataError(f"{path}: {problem}")
    return stack


def _open(path: Path) -> "TiffFile":
    import tifffile

    # It logs the problems of damaged files, which are reported as one DataError.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile.TiffFile(path)


def _describe(path: Path, tif: "TiffFile") -> tuple[TiffStack, str]:
    """The stack of an open file, and what is wrong with it."""
    first, count = tif.series[0], len(tif.series)
    sizes = [f"{series.shape} {series.dtype}" for series in tif.series]
    page, problem = first.keyframe, ""
    if len(set(sizes)) > 1:
        problem = f"its pages differ, {' and '.join(sorted(set(sizes)))}; they need one size"
    elif first.is_multifile:
        problem = "is one file of an OME set of several; save each series as one file"
    elif page.photometric == _PALETTE:
        problem = "has a palette; convert it to grey or RGB"
    elif _chain_is_cut(tif):
        problem = "is truncated: its list of pages breaks off; copy it again"
    colour = page.photometric in _COLOUR and "S" in first.axes and "C" not in first.axes
    labels = ("I" if count > 1 else "") + first.axes
    letters = {**_LETTERS, "S": "c"} if colour else _LETTERS
    nodata = page.tags.get(_GDAL_NODATA)
    names, time_step = _ome(tif) if tif.is_ome else ((), _imagej_time_step(tif))
    notes = (
        []
        if page.photometric != _WHITE_IS_ZERO
        else ["values are as stored: white is the least (TIFF)"]
    )
    if nodata is not None:
        notes.append(f"the value {nodata.value} is missing (GDAL_NODATA)")
    stack = TiffStack(
        path=path,
        axes="".join(letters.get(label, "?") for label in labels),
        labels=labels,
        shape=((count,) if count > 1 else ()) + tuple(first.shape),
        dtype=np.dtype(first.dtype).newbyteorder(tif.byteorder),
        offset=first.dataoffset if count == 1 else None,
        colour=colour,
        nodata=None if nodata is None else float(nodata.value),
        channel_names=names,
        time_step=time_step,
        notes=tuple(notes),
    )
    return stack, problem


def _chain_is_cut(tif: "TiffFile") -> bool:
    """Whether the list of pages ends with a pointer to another page, which is not there."""
    len(tif.pages)  # follows the list to its end
    position = tif.pages.next_page_offset
    if position is None:
        return False
    tif.filehandle.seek(position)
    pointer = tif.filehandle.read(tif.tiff.offsetsize)
    return len(pointer) < tif.tiff.offsetsize or any(pointer)


def _pick(array: NDArray[Any], axes: str, selection: Selection) -> NDArray[Any]:
    """Select along each axis; slices and indices first, which read nothing of a mapped file."""
    simple = [selection.get(axis, slice(None)) for axis in axes]
    part = array[tuple(s if isinstance(s, int | slice) else slice(None) for s in simple)]
    left = [s for s in simple if not isinstance(s, int)]
    for position, chosen in enumerate(left):
        if not isinstance(chosen, slice):
            part = part.take(chosen, axis=position)
    return part


def _decoded(page: Any) -> NDArray[Any]:
    if page is None:
        raise ValueError("a page is missing")
    return np.asarray(page.asarray())


def _ome(tif: "TiffFile") -> tuple[tuple[str, ...], str]:
    """Names of the channels and the time step of an OME header; empty if it has none."""
    names, time_step = [], ""
    for element in ElementTree.fromstring(tif.ome_metadata or "<none/>").iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "Channel":
            names.append(element.get("Name", ""))
        if tag == "Pixels" and element.get("TimeIncrement"):
            time_step = f"{element.get('TimeIncrement')} {element.get('TimeIncrementUnit', 's')}"
    usable = all(names) and len(set(names)) == len(names)
    return tuple(names) if usable else (), time_step


def _imagej_time_step(tif: "TiffFile") -> str:
    header = tif.imagej_metadata or {}
    interval = 0.0
    with suppress(TypeError, ValueError):
        interval = float(header.get("finterval", 0.0))
    return f"{interval:g} {header.get('tunit', 's')}" if interval > 0 else ""


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, PermissionError):
        return unreadable(path, error)
    if "imagecodecs" in str(error):
        return DataError(
            f"{path}: its compression needs a library; install it with `pip install imagecodecs`, "
            "or save the file without compression"
        )
    return DataError(
        f"{path}: cannot be read as TIFF ({error}); it may be truncated, copy it again"
    )
