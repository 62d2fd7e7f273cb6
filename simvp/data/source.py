"""Opening data: the format of a path decides which module of `simvp.data.sources` reads it."""

from collections.abc import Sequence
from pathlib import Path

from simvp.data.card import read_card
from simvp.data.series import Source
from simvp.data.sources import frames


def open_source(
    path: str | Path, *, variables: Sequence[str] | None = None, axes: str | None = None
) -> Source:
    """Open a data set.

    Args:
        path: a data folder with a folder of frames 0.npy, 1.npy, ... for each sample.
        variables: names of the channels to use, in this order; all by default.
        axes: order of the axes in a frame's file: cyx (the default) or yxc.
    Returns: the source. Its series read their frames when they are asked for them.
    Raises: DataError if there is no such data; ConfigError if its data card, `variables` or `axes`
        do not fit it.
    """
    folder = Path(path)
    frames.list_samples(folder)  # a missing folder comes before what its card says
    return frames.open_frames(folder, read_card(folder), variables=variables, axes=axes)
