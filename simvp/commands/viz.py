"""`simvp viz`: draw a saved forecast, or list them all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.commands.drawing import FIGURES, check_free, check_suffix, save_figure, save_frames
from simvp.commands.frame_labels import frame_axes, frame_labels, sample_times, split_of_test
from simvp.commands.hints import short_id, test_option
from simvp.config import Config, name_option
from simvp.data.description import DataDescription
from simvp.data.series import Coordinates
from simvp.engine.saved_forecasts import (
    SavedForecasts,
    SavedSample,
    outdated,
    read_description_of,
    read_metrics,
)
from simvp.errors import ConfigError, did_you_mean
from simvp.progress import Summary
from simvp.runs import RunFolder

if TYPE_CHECKING:
    from simvp.figures.pictures import Labels

_EVERY, _COLOURS = "all", "rgb"  # instead of the name of a channel


@dataclass(frozen=True)
class Request:
    """What to draw.

    Attributes:
        sample: part of a sample's id; None to list the samples.
        test: folder of the forecasts in the run's `tests`; empty for those of the usual test.
        output: the file to write; empty for one in the run's folder.
        movie: ".gif" or ".mp4" for an animation; empty for a figure.
        columns: number of frames in a row of a figure; 0 for as many as are legible.
        every: draw every so many frames only; 0 for all, unless there are very many.
        overwrite: whether `output` may exist.
    """

    sample: str | None = None
    test: str = ""
    output: str = ""
    movie: str = ""
    columns: int = 0
    every: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class _Drawing:
    """Frames of one channel, (T, H, W), or of a colour picture, (T, 3, H, W), and their texts."""

    name: str
    caption: str
    unit: str
    frames: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def run(config: Config, request: Request) -> Summary:
    """Draw a sample, or without one list the saved samples. Raises UserError, writing nothing."""
    folder = RunFolder(config.run.folder, request.test)
    folder.check_exists()
    warnings = _outdated(config, folder)
    if request.sample is None:
        options = name_option(config.run.folder) + test_option(folder)
        return Summary([*_listing(folder), *warnings], f"simvp viz SAMPLE_ID{options}")
    from simvp.figures import colours, pictures  # imports matplotlib

    colours.colour_map(config.viz.cmap)
    sample_id = folder.find_sample(request.sample)
    data = read_description_of(folder)
    channels = _channels(config, data)
    paths = [_path(folder, request, sample_id, name) for name in channels]
    for path in paths:
        check_free(path, request.output, overwrite=request.overwrite)
    sample = SavedForecasts(folder, data).read(sample_id)
    place = _place(config, folder, data, sample_id, sample)
    for path, drawing in zip(paths, _drawings(channels, sample, data), strict=True):
        labels = replace(
            place,
            title=place.title + _after_comma(drawing.name),
            caption=drawing.caption,
            unit=drawing.unit,
        )
        if request.movie:
            images = pictures.animation(*drawing.frames, labels, cmap=config.viz.cmap)
            save_frames(path, images, config.viz.fps)
        else:
            figure = pictures.grid(
                *drawing.frames,
                labels,
                cmap=config.viz.cmap,
                columns=request.columns,
                every=request.every,
            )
            save_figure(path, figure)
    return Summary([*warnings, *(f"wrote {path}" for path in paths)])


def _outdated(config: Config, folder: RunFolder) -> list[str]:
    if not (folder.saved / "metrics.json").exists():
        return []
    return outdated(folder, read_metrics(folder), config.train.members)


def _after_comma(channel: str) -> str:
    """What the title of a picture says of a channel; nothing if it is the only one."""
    name = f"channel {channel}" if channel.isdecimal() else channel
    return f", {name}" if name else ""


def _place(
    config: Config, folder: RunFolder, data: DataDescription, sample_id: str, sample: SavedSample
) -> "Labels":
    """Which sample is drawn, and when and where its frames are."""
    from simvp.figures.pictures import Labels

    split, name = split_of_test(folder, config), short_id(sample_id)
    num_inputs, num_steps = len(sample.inputs), len(sample.truth)
    times = sample_times(split, sample_id, num_inputs + num_steps)
    coordinates = Coordinates() if split is None else split.coordinates
    return Labels(
        title=name if data.card.name in name else f"{data.card.name}: {name}",
        frames=frame_labels(
            data.card, data.step, num_inputs=num_inputs, num_steps=num_steps, times=times
        ),
        axes=frame_axes(coordinates, data.shape[1:]),
        origin=data.card.origin,
    )


def _channels(config: Config, data: DataDescription) -> dict[str, tuple[int, ...]]:
    """Indices of the channels of each picture, by the name in its file. Raises ConfigError."""
    channel, known = str(config.viz.channel), data.forecast_channels
    several = len(known) > 1
    if channel in known:
        return {channel if several else "": (known.index(channel),)}
    if channel.isdecimal() and int(channel) < len(known):
        return {known[int(channel)] if several else "": (int(channel),)}
    if channel == _EVERY:
        return {name if several else "": (i,) for i, name in enumerate(known)}
    if channel == _COLOURS and len(known) >= 3:
        return {_COLOURS: (0, 1, 2)}
    reason = "is not forecast; " if channel in data.inputs else ""
    reason = "needs three channels; " if channel == _COLOURS else reason
    choice = f"choose one of {', '.join(known)}, a number from 0 to {len(known) - 1}, or all"
    if not several:
        choice = f"the only forecast channel is {known[0]}; leave out --channel"
    raise ConfigError(f"viz.channel = {channel!r}: {reason}{choice}.{did_you_mean(channel, known)}")


def _path(folder: RunFolder, request: Request, sample_id: str, channel: str) -> Path:
    """The file to write. Raises ConfigError if its suffix does not fit."""
    several = f"_{channel}" if channel else ""
    if not request.output:
        test = f"{request.test}_" if request.test else ""
        name = f"{test}{sample_id}{several}{request.movie or '.png'}".replace("/", "-")
        return folder.pictures / name
    path = Path(request.output)
    check_suffix(path, (request.movie,) if request.movie else FIGURES)
    return path


def _drawings(
    channels: dict[str, tuple[int, ...]], sample: SavedSample, data: DataDescription
) -> Iterator[_Drawing]:
    """What to draw of a sample."""
    arrays = (sample.inputs, sample.truth, sample.forecast)
    for name, indices in channels.items():
        if len(indices) == 1:
            channel = data.channels[indices[0]]
            caption, unit = data.card.caption(channel), data.card.channel(channel).unit
            inputs, truth, forecast = (array[:, indices[0]] for array in arrays)
        else:  # a colour picture, on the scale of the data
            caption, unit = "", ""
            scaling = data.scaling.first(arrays[0].shape[1])
            inputs, truth, forecast = (
                np.asarray(scaling.to_unit(array)[:, list(indices)], np.float32) for array in arrays
            )
        yield _Drawing(name, caption, unit, (inputs, truth, forecast))


def _listing(folder: RunFolder) -> list[str]:
    """The saved samples with their errors, the best forecast first."""
    ids = folder.saved_samples()
    scores = read_metrics(folder)["samples"]
    ids.sort(key=lambda sample_id: scores.get(sample_id, {}).get("mse") or 0.0)
    lines = [f"{'mse':>10}{'mae':>10}{'ssim':>8}   sample"]
    for sample_id in ids:
        cells = [
            f"{value:{width}}" if value is not None else " " * int(width.partition(".")[0])
            for name, width in (("mse", "10.3f"), ("mae", "10.3f"), ("ssim", "8.4f"))
            for value in [scores.get(sample_id, {}).get(name)]
        ]
        lines.append("".join(cells) + f"   {sample_id}")
    return lines
