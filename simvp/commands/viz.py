"""`simvp viz`: draw a saved forecast, or list them all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.commands.hints import name_option
from simvp.config import Config
from simvp.data.description import DataDescription, read_description
from simvp.data.sources.frames import frame_files, read_frame
from simvp.errors import ConfigError, OutputError, RunError, did_you_mean
from simvp.progress import Summary
from simvp.runs import FRAME_KINDS, PICTURE_MARK, RunFolder
from simvp.storage.files import publish


def run(config: Config, sample: str | None, *, output: str, gif: bool, overwrite: bool) -> Summary:
    """Draw a sample, whose id may be shortened, or without one list the saved samples.

    Args:
        output: the file to write; empty for one in the run's own folder.
        overwrite: whether `output` may exist.
    """
    folder = RunFolder(Path(config.run.work_dir) / config.run.name)
    folder.check_exists()
    if sample is None:
        return Summary(_listing(folder), f"simvp viz SAMPLE_ID{name_option(config)}")
    from simvp.figures import pictures  # imports matplotlib

    pictures.colour_map(config.viz.cmap)
    sample_id = folder.find_sample(sample)
    data = read_description(folder.data_file)
    channel = _channel(config, data)
    name = data.channels[channel] if len(data.forecast_channels) > 1 else ""
    suffix = ".gif" if gif else ".png"
    file = f"{sample_id}{'_' if name else ''}{name}{suffix}".replace("/", "-")
    path = Path(output) if output else folder.pictures / file
    if path.suffix.lower() != suffix:
        raise ConfigError(f"--output {path}: needs a name that ends in {suffix}")
    if output and path.exists() and not overwrite:
        raise OutputError(f"{path}: exists; choose another --output, or add --overwrite")
    frames = [
        _physical(_frames(folder.saved / kind / sample_id), data)[:, channel]
        for kind in FRAME_KINDS
    ]
    if len(frames[1]) != len(frames[2]):
        raise RunError(
            f"{folder.saved}: {sample_id} has {len(frames[1])} truths but {len(frames[2])} "
            f"predictions; run `simvp test{name_option(config)}` again"
        )
    title = sample_id + (f", {name}" if name else "")
    caption = data.card.caption(data.channels[channel])
    _draw(path, frames, title=title, caption=caption, config=config, gif=gif)
    return Summary([f"wrote {path}"])


def _channel(config: Config, data: DataDescription) -> int:
    """The index of the forecast channel to draw. Raises ConfigError if there is none."""
    channel, known = str(config.viz.channel), data.forecast_channels
    if channel in known:
        return known.index(channel)
    if channel.isdecimal() and int(channel) < len(known):
        return int(channel)
    reason = "is not forecast; " if channel in data.inputs else ""
    raise ConfigError(
        f"viz.channel = {channel!r}: {reason}choose one of {', '.join(known)}, or a number from 0 "
        f"to {len(known) - 1}.{did_you_mean(channel, known)}"
    )


def _draw(
    path: Path,
    frames: Sequence[NDArray[np.float32]],
    *,
    title: str,
    caption: str,
    config: Config,
    gif: bool,
) -> None:
    import imageio.v3 as iio

    from simvp.figures import pictures

    cmap = config.viz.cmap
    with publish(path) as temporary:
        if gif:
            images = pictures.animation(*frames, title=title, caption=caption, cmap=cmap)
            milliseconds = round(1000 / config.viz.fps)
            iio.imwrite(
                temporary,
                images,
                extension=".gif",
                duration=milliseconds,
                loop=0,
                comment=PICTURE_MARK,
            )
        else:
            figure = pictures.grid(*frames, title=title, caption=caption, cmap=cmap)
            mark = {"Comment": PICTURE_MARK.decode()}
            figure.savefig(
                temporary, format="png", bbox_inches="tight", pad_inches=0.1, metadata=mark
            )


def _frames(sample: Path) -> NDArray[np.float32]:
    """A saved sample, (T, C, H, W). Raises RunError or DataError if it is missing or damaged."""
    if not sample.is_dir():
        raise RunError(f"{sample}: is missing; make the forecasts again with `simvp test`")
    return np.stack([read_frame(path) for path in frame_files(sample)])


def _physical(frames: NDArray[np.float32], data: DataDescription) -> NDArray[np.float32]:
    """Saved frames in physical units: they are stored as the data's own files."""
    if data.stored == "physical":
        return frames
    return data.scaling.first(frames.shape[1]).to_physical(frames)


def _listing(folder: RunFolder) -> list[str]:
    """The saved samples with their errors, the best forecast first."""
    ids = folder.saved_samples()
    scores = _sample_scores(folder)
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


def _sample_scores(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """What metrics.json says of each sample. Raises RunError if it is damaged."""
    path = folder.saved / "metrics.json"
    try:
        samples = json.loads(path.read_bytes())["samples"]
        return {str(sample_id): dict(scores) for sample_id, scores in samples.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: is missing or damaged ({type(error).__name__}); run `simvp test` again"
        ) from None
