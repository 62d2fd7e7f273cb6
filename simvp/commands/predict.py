"""`simvp predict`: forecast what follows the end of each series; no truth is needed."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvp.commands.drawing import save_figure
from simvp.commands.frame_labels import frame_axes, frame_labels
from simvp.commands.scoring import describe_horizon
from simvp.commands.trained_run import check_lengths, find_weights, incomplete
from simvp.config import Config, name_option
from simvp.data.description import DataDescription, read_description
from simvp.data.forecast_files import (
    VARIABLE_SUFFIXES,
    Forecasts,
    Spread,
    check_output,
    picture_path,
    write,
)
from simvp.data.locations import as_location
from simvp.data.matching import open_for
from simvp.data.origins import Origin, describe_date, find_origins
from simvp.data.series import Source
from simvp.data.split import find_split, read_split
from simvp.engine.forecaster import Forecaster, build_forecaster
from simvp.engine.prediction import predict_all
from simvp.errors import ConfigError, RunError
from simvp.progress import Report, Summary, plural
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.devices import describe_precision
from simvp.runtime.group import Group
from simvp.storage.files import TEMPORARY_PREFIX, convert_os_errors, remove_abandoned


@dataclass(frozen=True)
class Request:
    """What to forecast.

    Attributes:
        source: the data; empty for those of the run.
        at: the last input frame, see `simvp.data.origins.find_origins`.
        steps: number of steps; 0 for as many as the run was trained for.
        output: file or folder; empty for one in the run's folder.
        weights: file of weights; empty for the run's model.
        overwrite: whether the output may exist.
    """

    source: str = ""
    at: str = ""
    steps: int = 0
    output: str = ""
    weights: str = ""
    overwrite: bool = False

    def arguments(self) -> list[str]:
        """The same request as arguments of the command line."""
        named = (("at", self.at), ("output", self.output), ("weights", self.weights))
        options = [word for name, value in named if value for word in (f"--{name}", value)]
        options += ["--steps", str(self.steps)] * bool(self.steps)
        return [self.source, *options, *["--overwrite"] * self.overwrite]


def run(config: Config, request: Request, report: Report) -> Summary:
    """Forecast with a trained run. Raises UserError, writing nothing."""
    folder = RunFolder(config.run.folder)
    folder.check_exists()
    check_lengths(config, folder)
    weights = find_weights(config, folder, request.weights)
    trained = _description(config, folder)
    path = as_location(request.source or config.data.path)
    source, warnings = open_for(path, trained, config.split.axes)
    data = trained.model_copy(update={"shape": source.shape})
    pre = config.data.pre_seq_length
    origins, left_out = find_origins(source.series, request.at, inputs=pre, step=data.step)
    warnings += describe_date(origins, request.at) + incomplete(config, folder, weights)
    output = Path(request.output) if request.output else _default_output(folder, source)
    check_output(output, folder.forecasts, overwrite=request.overwrite)
    if isinstance(path, Path) and output.exists() and output.samefile(path):
        raise ConfigError(f"{output}: is the input; choose another --output")
    if launcher.is_needed(config):
        launcher.run(["predict", *replace(request, source=str(path)).arguments()], config)
        return Summary()
    if left_out:
        warnings.append(
            f"warning: {plural(len(left_out), 'sample')} without the {plural(pre, 'input frame')} "
            f"left out: {', '.join(left_out[:3])}{', ...' if len(left_out) > 3 else ''}"
        )
    with launcher.join(config) as group:
        report = report if group.is_main else Report()
        for warning in warnings:
            report.say(warning)
        forecaster = _forecaster(config, data, trained, weights, group)
        steps = request.steps or forecaster.trained_steps
        request = replace(request, source=str(path), steps=steps, output=str(output))
        return _predict(config, request, forecaster, source, origins, group, report)


def _description(config: Config, folder: RunFolder) -> DataDescription:
    """What the run was trained on; runs of version 1 did not record it."""
    if folder.data_file.exists():
        return read_description(folder.data_file)
    return read_split(find_split(config.data.split, config.data.path)).data


def _forecaster(
    config: Config,
    data: DataDescription,
    trained: DataDescription,
    weights: Sequence[Path],
    group: Group,
) -> Forecaster:
    """The forecaster for frames of this size. Raises ConfigError if the weights do not suit it."""
    try:
        return build_forecaster(config, data, weights, group.device)
    except RunError:
        if data.shape == trained.shape:
            raise
        build_forecaster(config, trained, weights, group.device)  # raises if it is not the size
        raise ConfigError(
            f"frames of {data.shape[1]}x{data.shape[2]} cells: the run was trained on "
            f"{trained.shape[1]}x{trained.shape[2]}, and its translator {config.model.model_type} "
            "supports this size only; use --resize at `simvp split` and train on such frames"
        ) from None


def _default_output(folder: RunFolder, source: Source) -> Path:
    """`forecasts/NAME.nc` in the run's folder; for frames a folder of frames."""
    path = source.path
    is_folder = isinstance(path, Path) and path.is_dir() and not path.suffix
    name = path.name if is_folder else path.stem
    name = "".join("_" if character in "*?[]" else character for character in name) or "data"
    return folder.forecasts / (name if source.kind == "frames" else f"{name}.nc")


def _predict(
    config: Config,
    request: Request,
    forecaster: Forecaster,
    source: Source,
    origins: Sequence[Origin],
    group: Group,
    report: Report,
) -> Summary:
    """Forecast, and write the files; every process of the group calls this."""
    data, steps, output = forecaster.data, request.steps, Path(request.output)
    has_spread = forecaster.num_members > 1
    shape = (len(origins), steps, len(data.forecast_channels), *data.shape[1:])
    with (
        _shared_array(output, (1 + has_spread, *shape), group) as (values, *others),
        report.progress("forecasting", len(origins)) as advance,
    ):
        spread = others[0] if has_spread else None
        predict_all(
            forecaster,
            origins,
            values,
            spread,
            batch_size=config.train.val_batch_size,
            precision=config.metrics.precision,
            group=group,
            advance=advance,
        )
        group.wait()  # until every process has written its share
        if not group.is_main:
            return Summary()
        forecasts = Forecasts(
            values,
            [origin.start(steps) for origin in origins],
            data.forecast_channels,
            source.card,
            source.coordinates,
            forecaster.trained_steps,
            config.run.name,
            f"simvp predict {shlex.join(_words(request, config))}{name_option(config.run.folder)}",
            Spread(spread, forecaster.num_members) if spread is not None else None,
        )
        write(output, forecasts, data.forecast_scaling if data.stored == "scaled" else None)
        picture = _draw(config, forecaster, origins[0], forecasts, output)
    return Summary(
        [
            _describe(forecasts),
            *_describe_missing(forecasts),
            *describe_horizon(steps, forecaster.trained_steps),
            *_describe_members(forecaster.num_members, output),
            describe_precision(group.device, config.metrics.precision),
            f"wrote {output}",
            f"wrote {picture}",
        ]
    )


def _words(request: Request, config: Config) -> list[str]:
    """The arguments of the command, with the order of the axes if it was given."""
    axes = config.split.axes
    return [*request.arguments(), *(["--axes", axes] if axes else [])]


@contextmanager
def _shared_array(
    output: Path, shape: tuple[int, ...], group: Group
) -> Iterator[NDArray[np.float32]]:
    """An array of float32 in a temporary file beside the output, which all processes write to."""
    # Another `predict` may write to the same output: its file has another name.
    process = group.gather(os.getpid())[0]
    file = output.parent / f"{TEMPORARY_PREFIX}{process}-{output.name[:40]}.npy"
    try:
        if group.is_main:
            with convert_os_errors(output):
                file.parent.mkdir(parents=True, exist_ok=True)
                remove_abandoned(file.parent)
                np.lib.format.open_memmap(file, "w+", np.float32, shape)
        group.wait()
        yield np.lib.format.open_memmap(file, "r+")
    finally:
        if group.is_main and file.exists():  # unlink fails where a parent is a file
            file.unlink()


def _describe(forecasts: Forecasts) -> str:
    """How many forecasts there are, of how many steps, and where they begin."""
    count, steps = forecasts.values.shape[:2]
    start = forecasts.starts[0]
    after = f"frame {start.origin}" if start.times is None else start.times.label(0)
    if count > 1:
        return f"{count} forecasts of {plural(steps, 'step')} each"
    to = "" if start.times is None else f", to {start.times.label(-1)}"
    return f"forecast of {start.series} after {after}: {plural(steps, 'step')}{to}"


def _describe_missing(forecasts: Forecasts) -> list[str]:
    """A warning for each channel that has no value in the last input frame of some series."""
    empty = np.isnan(forecasts.values[:, 0]).all(axis=(-2, -1)).sum(axis=0)
    return [
        f"warning: {name} has no values at the start of {plural(count, 'forecast')}: it is not "
        "forecast there, and other channels are less reliable"
        for name, count in zip(forecasts.channels, empty.tolist(), strict=True)
        if count
    ]


def _describe_members(count: int, output: Path) -> list[str]:
    """A line if the forecast is that of an ensemble."""
    if count == 1:
        return []
    if output.suffix in VARIABLE_SUFFIXES:
        return [f"mean of {count} members; their standard deviation is saved as NAME_spread"]
    return [
        f"mean of {count} members; to save their standard deviation too, use --output with .nc or "
        ".zarr"
    ]


def _draw(
    config: Config, forecaster: Forecaster, origin: Origin, forecasts: Forecasts, output: Path
) -> Path:
    """A picture of the first forecast, beside the output."""
    from simvp.figures import pictures  # imports matplotlib

    data, name = forecaster.data, forecasts.channels[0]
    card, steps = forecasts.card, forecasts.values.shape[1]
    inputs = origin.read(data.scaling, may_miss=True)[:, :1]
    labels = pictures.Labels(
        title=f"{forecasts.names()[0]}" + (f", {name}" if len(forecasts.channels) > 1 else ""),
        caption=card.caption(name),
        frames=frame_labels(
            card, data.step, num_inputs=len(inputs), num_steps=steps, times=origin.labels(steps)
        ),
        axes=frame_axes(forecasts.coordinates, data.shape[1:]),
        origin=card.origin,
    )
    figure = pictures.outlook(
        data.scaling.first(1).to_physical(inputs)[:, 0],
        forecasts.values[0, :, 0],
        labels,
        trained_steps=forecaster.trained_steps,
        cmap=config.viz.cmap,
    )
    path = picture_path(output)
    save_figure(path, figure)
    return path
