"""Writing figures and animations to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.errors import ConfigError, OutputError
from simvp.runs import PICTURE_MARK
from simvp.storage.files import publish, remove_abandoned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (".png", ".pdf", ".svg")

# Where each format has room for a remark.
_REMARK = {".png": "Comment", ".pdf": "Subject", ".svg": "Description"}


def check_free(path: Path, output: str, *, overwrite: bool) -> None:
    """Raises OutputError if a file that the user named exists, unless it may be replaced."""
    if output and path.exists() and not overwrite:
        raise OutputError(f"{path}: exists; choose another --output, or add --overwrite")


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises ConfigError if the name of a file does not end in one of the suffixes."""
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"--output {path}: needs a name that ends in {' or '.join(suffixes)}")


def save_figure(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG, PDF or SVG, by its suffix. Raises OutputError."""
    suffix = path.suffix.lower()
    mark = {_REMARK[suffix]: PICTURE_MARK.decode()}
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # applies the layout
    # Like bbox_inches="tight", which draws the whole figure once more to find the same box.
    box = figure.get_tightbbox().padded(0.1)
    remove_abandoned(path.parent)
    with publish(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], bbox_inches=box, metadata=mark)


def save_frames(path: Path, images: Sequence[NDArray[np.uint8]], fps: float) -> None:
    """Write images (height, width, 3) as GIF or MP4, by the suffix.

    Raises: ConfigError if a library is missing; OutputError.
    """
    import imageio.v3 as iio

    if path.suffix.lower() == ".mp4":
        _save_video(path, images, fps)
        return
    options: dict[str, Any] = {"duration": round(1000 / fps), "loop": 0, "comment": PICTURE_MARK}
    with publish(path) as temporary:
        iio.imwrite(temporary, images, extension=".gif", **options)


def _save_video(path: Path, images: Sequence[NDArray[np.uint8]], fps: float) -> None:
    try:
        import av
    except ImportError:
        raise ConfigError(
            f'{path}: writing videos needs PyAV; install it with `pip install "simvp[video]"`'
        ) from None
    from fractions import Fraction

    height, width = (size // 2 * 2 for size in images[0].shape[:2])  # H.264 needs even sizes
    with publish(path) as temporary, av.open(temporary, "w", format="mp4") as container:
        container.metadata["comment"] = PICTURE_MARK.decode()
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in images:
            frame = av.VideoFrame.from_ndarray(image[:height, :width], format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
