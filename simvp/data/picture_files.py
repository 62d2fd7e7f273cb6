"""Decoding one picture: PNG, JPEG, BMP, GIF by Pillow, TIFF by tifffile.

C: channels; H, W: height and width.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import check_readable
from simvp.data.pictures import first_bytes
from simvp.data.tiff_stack import is_tiff, read_headers
from simvp.errors import DataError

MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF8")
# Other formats of Pillow are not tried: one of them runs another program, Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF")
_ALPHA = "the pictures have an alpha channel: it was dropped"


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        values: (C, H, W) with the stored type, without alpha.
        notes: what was changed or lost.
    """

    values: NDArray[np.number]
    notes: tuple[str, ...] = ()


def read_picture(path: Path) -> Picture:
    """Read one picture. Raises DataError if the file is not one whole picture."""
    start = first_bytes(path)
    if not start:
        check_readable(path)
        raise DataError(f"{path}: is empty, or no regular file; save the picture again")
    return _read_tiff(path) if is_tiff(start) else _decode(path)


def _read_tiff(path: Path) -> Picture:
    stack = read_headers(path)
    if not set(stack.axes) <= set("cyx"):
        raise DataError(
            f"{path}: has axes {stack.labels} of {stack.shape}; expected one picture per file"
        )
    values = stack.read(stack.axes, {})
    if stack.nodata is not None:
        values = stack.with_missing(values)
    planes = values if "c" in stack.axes else values[np.newaxis]
    if stack.colour and len(planes) == 4:
        return Picture(planes[:3], (*stack.notes, _ALPHA))
    return Picture(planes, stack.notes)


def _decode(path: Path) -> Picture:
    """Read a picture with Pillow."""
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            problem = _unsupported(image) if frames == 1 else f"is an animation of {frames} frames"
            picture = _values(image) if not problem else None
    except Exception as error:  # decoders raise many types for damaged files
        raise DataError(f"{path}: cannot be read as a picture ({error}); save it again") from None
    if picture is None:
        raise DataError(
            f"{path}: {problem}; expected one picture of 8 or 16 bits, grey or RGB, so convert it"
        )
    return picture


def _unsupported(image: Any) -> str:
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"):
        return f"has the colour mode {image.mode}"
    if _raw_mode(image) == "LA;16B":
        return "is 16-bit grey with an alpha channel"
    return ""


def _raw_mode(image: Any) -> str:
    """Name of the order of bits in the file, where Pillow has one."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, str) else ""


def _values(image: Any) -> Picture:
    notes = []
    raw, mode = _raw_mode(image), image.mode
    has_alpha = mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    if image.format == "JPEG":
        notes.append("the pictures are JPEG: lossy compression has changed their values")
        if image.getexif().get(0x0112, 1) != 1:
            notes.append("the pictures are read as stored: their EXIF orientation is not applied")
    if mode in ("P", "PA"):
        notes.append("the pictures have a palette: they were converted to RGB")
        image = image.convert("RGBA")
    elif raw in ("1", "L;2", "L;4") or mode == "1":
        notes.append("the pictures have fewer than 8 bits: black is 0, white is 255")
        image = image.convert("L")
    elif mode == "LA":
        image = image.getchannel(0)
    values = _deep_colours(image, raw) if raw in ("RGB;16B", "RGBA;16B") else np.asarray(image)
    if has_alpha:
        notes.append(_ALPHA)
    planes = values[np.newaxis] if values.ndim == 2 else np.moveaxis(values[..., :3], -1, 0)
    return Picture(planes, tuple(notes))


def _deep_colours(image: Any, raw: str) -> NDArray[np.number]:
    """Values of a 16-bit colour PNG, of which Pillow decodes one byte at a time."""
    from PIL import Image

    with Image.open(image.filename, formats=("PNG",)) as again:
        again.tile = [again.tile[0]._replace(args=raw.replace("16B", "16L"))]
        low = np.asarray(again)
    values: NDArray[np.uint16] = np.asarray(image).astype(np.uint16) * np.uint16(256) + low
    return values
