"""Opening video files with PyAV, which is an optional library."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from simvp.data.access import check_readable
from simvp.data.pictures import first_bytes
from simvp.errors import ConfigError, DataError

_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_GREY = {"gray": "gray", "gray16le": "gray16le", "gray16be": "gray16le"}


@dataclass(frozen=True)
class Header:
    """What the header of a video says.

    Attributes:
        size: height and width.
        pixels: how the file stores a pixel, a pixel format of FFmpeg.
        bits: bits of a value.
        codec: name of the compression.
        rate: average number of frames per second; 0 if not known.
        varies: whether the time between two frames varies.
    """

    size: tuple[int, int]
    pixels: str
    bits: int
    codec: str
    rate: float
    varies: bool

    @property
    def decoded(self) -> str:
        """The pixel format to decode to."""
        return _GREY.get(self.pixels, "rgb24")


def container_format(path: Path) -> str:
    """FFmpeg's name for the file format; empty if the file is no video."""
    start = first_bytes(path)
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    return "mov" if start[4:8] in _ATOMS else ""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a video. Raises ConfigError without PyAV, DataError if the file is damaged."""
    try:
        import av
    except ImportError:
        raise ConfigError(
            f'{path}: reading videos needs PyAV; install it with `pip install "simvp[video]"`'
        ) from None
    # The format and the protocol are given, so that no file can make FFmpeg open another.
    check_readable(path)
    source, name = f"file:{path.absolute()}", container_format(path) or "mov"
    try:
        with av.open(source, format=name) as container:
            if not container.streams.video:
                raise ValueError("there is no video stream")
            if container.streams.video[0].codec_context is None:
                raise ValueError("its codec is not known")
            yield container
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: cannot be read as a video ({reason}); copy or convert it again"
        ) from None


def read_header(path: Path) -> Header:
    """Read the header of a video. Raises DataError if it is damaged."""
    with opened(path) as container:
        context = container.streams.video[0].codec_context
        pixels, codec = context.pix_fmt, context.name
        bits = max((c.bits for c in context.format.components), default=8) if pixels else 8
        size = context.height, context.width
        rate = float(container.streams.video[0].average_rate or 0)
        varies = _varies([e.timestamp for e in container.streams.video[0].index_entries])
    if not pixels or 0 in size:
        raise DataError(f"{path}: its header names no picture size; the video is damaged")
    return Header(size, pixels, bits, codec, rate, varies)


def _varies(stamps: list[int]) -> bool:
    """Whether time stamps are unevenly spaced by more than their rounding."""
    steps = [after - before for before, after in pairwise(stamps)]
    least, most = min(steps, default=1), max(steps, default=1)
    return most - least > 1 or most >= 2 * least
