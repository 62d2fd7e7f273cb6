"""Videos: mp4, mov and avi, a series each; one file, or a folder of them. Needs PyAV.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvp.data.card import DatasetCard
from simvp.data.listing import files_of, main_files
from simvp.data.pictures import name_channels, unique_ids
from simvp.data.series import Frames, Options, Series, Source, select_channels
from simvp.data.video_files import Header, container_format, opened, read_header
from simvp.errors import DataError

_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi")
_LOSSLESS = ("ffv1", "rawvideo", "png", "huffyuv", "ffvhuff", "utvideo", "qtrle")


@dataclass(frozen=True, kw_only=True)
class VideoSeries(Series):
    """A video file.

    Attributes:
        path: the file.
        header: what its header says.
        selected: indices of the channels to use.
    """

    path: Path
    header: Header
    selected: tuple[int, ...]

    @cached_property
    def stamps(self) -> list[int]:
        """Time stamps of the frames in order, from the packets; nothing is decoded."""
        with opened(self.path) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.dts is not None]
            expected = stream.frames  # 0 where the header does not say it
        if len(packets) < expected:
            raise DataError(
                f"{self.path}: is truncated: it has {len(packets)} of the {expected} frames that "
                "its header names; copy it again"
            )
        stamps = [packet.pts for packet in packets if packet.size and not packet.is_discard]
        known = sorted(stamp for stamp in stamps if stamp is not None)
        if not known or len(set(known)) < len(stamps):
            raise DataError(
                f"{self.path}: {len(stamps)} frames, of which {len(set(known))} have a time stamp "
                "of their own; convert the video to mp4"
            )
        return known

    @property
    def length(self) -> int:
        return len(self.stamps)

    def locate(self, frame: int) -> str:
        return f"{self.path}, frame {frame}"

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        wanted = self.stamps[start:stop:step]
        frames = np.empty((len(wanted), *self.shape), np.float32)
        if not wanted:
            return frames
        found = self._decode(wanted, seek=True)
        if found is None:  # some files cannot be entered in the middle
            found = self._decode(wanted, seek=False)
        if found is None:
            raise DataError(
                f"{self.path}: frames {start} to {start + step * (len(wanted) - 1)} cannot all be "
                "decoded; the video is damaged, copy or convert it again"
            )
        for target, picture in zip(frames, found, strict=True):
            target[:] = picture[list(self.selected)]
        return frames

    def _decode(self, wanted: list[int], *, seek: bool) -> list[NDArray[np.number]] | None:
        """Decode the frames with these time stamps, (C, H, W) each; None if one is not found."""
        found: list[NDArray[np.number]] = []
        with opened(self.path) as container:
            stream = container.streams.video[0]
            if seek:
                container.seek(wanted[0], stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts < wanted[len(found)]:
                    continue
                if frame.pts > wanted[len(found)] or frame.is_corrupt:
                    return None
                if (frame.height, frame.width) != self.header.size:
                    raise ValueError(f"a frame has size {frame.height}x{frame.width}")
                values = frame.to_ndarray(format=self.header.decoded)
                planes = values[np.newaxis] if values.ndim == 2 else values.transpose(2, 0, 1)
                found.append(planes)
                if len(found) == len(wanted):
                    return found
        return None


def matches(path: Path) -> bool:
    """Whether a path is a video, or a folder of videos."""
    try:
        if path.is_dir():
            return any(container_format(path / n) for n in main_files(path, _SUFFIXES))
    except (OSError, DataError):
        return False
    return bool(container_format(path))


def open_data(path: Path, card: DatasetCard, options: Options) -> Source:
    """Open a video, or a folder of videos. Raises DataError or ConfigError."""
    options.refuse_layout(path, "videos")
    ids = unique_ids(files_of(path, _SUFFIXES))
    headers = {id: read_header(file) for id, file in ids.items()}
    first = next(iter(headers.values()))
    for id, header in headers.items():
        if (header.size, header.decoded) != (first.size, first.decoded):
            raise DataError(
                f"{ids[id]}: has frames of {header.size} ({header.pixels}), but the first video "
                f"has {first.size} ({first.pixels}); all videos need the same size and colours"
            )
    colour = first.decoded == "rgb24"
    names = name_channels(3 if colour else 1, card, path, colour=colour)
    channels, selected = select_channels(names, options, path)
    rates = {header.rate for header in headers.values()}
    if len(rates) == 1 and first.rate > 0:
        card = card.completed(DatasetCard(time_step=f"{1 / first.rate:.6g} s"), path)
    shape = (len(channels), *first.size)
    scaling = card.stored_scaling(channels)
    series = [
        VideoSeries(
            id=id,
            channels=channels,
            shape=shape,
            stored_scaling=scaling,
            path=ids[id],
            header=header,
            selected=selected,
        )
        for id, header in headers.items()
    ]
    return Source(
        path=path,
        kind="video",
        series=series,
        channels=channels,
        shape=shape,
        card=card,
        is_8_bit=first.decoded != "gray16le",
        assumptions=tuple(_assumptions(series)),
    )


def _assumptions(series: list[VideoSeries]) -> Iterator[str]:
    headers = [one.header for one in series]
    lossy = sorted({header.codec for header in headers} - set(_LOSSLESS))
    if lossy:
        yield f"lossy compression ({', '.join(lossy)}) has changed the values"
    converted = [header for header in headers if header.decoded == "rgb24"]
    if any(header.bits > 8 for header in converted):
        yield "values of more than 8 bits were rounded to 8"
    if any("rgb" not in header.pixels and "bgr" not in header.pixels for header in converted):
        yield "colours were converted to RGB"
    rates = sorted({round(header.rate, 6) for header in headers})
    if len(rates) > 1:
        yield f"frame rates differ, {rates[0]:g} to {rates[-1]:g} per second; time steps differ"
    if any(header.varies for header in headers):
        yield "the frame rate varies; the frames are taken as evenly spaced at its average"
