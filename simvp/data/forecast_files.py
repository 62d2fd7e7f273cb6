"""Forecasts in files: netCDF and Zarr with coordinates, .npy arrays, folders of frames.

N: forecasts; S: steps; C: channels; H, W: height and width.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp import __version__
from simvp.data.card import DatasetCard
from simvp.data.cf_files import is_zarr
from simvp.data.scaling import Scaling
from simvp.data.series import Coordinates
from simvp.data.sources.frames import write_frames
from simvp.data.times import EPOCH, Times
from simvp.errors import ConfigError
from simvp.storage.files import check_writable, convert_os_errors, publish, publish_folder

if TYPE_CHECKING:
    from xarray import Dataset

VARIABLE_SUFFIXES = (".nc", ".zarr")  # of formats that hold several variables
SUFFIXES = (*VARIABLE_SUFFIXES, ".npy")


@dataclass(frozen=True)
class Start:
    """Where a forecast begins.

    Attributes:
        series: id of the series.
        origin: index of the last input frame.
        times: of the last input frame and of each forecast frame, S + 1; None if not known.
    """

    series: str
    origin: int
    times: Times | None


@dataclass(frozen=True)
class Spread:
    """How far the members of an ensemble are apart.

    Attributes:
        values: their standard deviation, (N, S, C, H, W), in the unit of the channel.
        num_members: number of members.
    """

    values: NDArray[np.float32]
    num_members: int


@dataclass(frozen=True)
class Forecasts:
    """Several forecasts with the same steps and grid.

    Attributes:
        values: (N, S, C, H, W), physical values, NaN where missing.
        starts: where each one begins.
        channels: names of the channels.
        card: their units.
        coordinates: of rows and columns.
        trained_steps: number of steps that the network was trained to forecast.
        run: name of the run.
        command: the command that made them.
        spread: of an ensemble, whose mean `values` is.
    """

    values: NDArray[np.float32]
    starts: Sequence[Start]
    channels: tuple[str, ...]
    card: DatasetCard
    coordinates: Coordinates
    trained_steps: int
    run: str = ""
    command: str = ""
    spread: Spread | None = None

    def names(self) -> list[str]:
        """A name for each: the id of its series, and `@` its origin if that has several."""
        count = Counter(start.series for start in self.starts)
        return [
            start.series if count[start.series] == 1 else f"{start.series}@{start.origin}"
            for start in self.starts
        ]


def picture_path(path: Path) -> Path:
    """The picture beside an output; its name includes the suffix, as in `next.nc.png`."""
    return path.with_name(f"{path.name}.png")


def check_output(path: Path, own_folder: Path, *, overwrite: bool) -> None:
    """Raises ConfigError if a path has an unknown suffix, or something is in the way.

    Raises OutputError if it cannot be written.
    A folder is replaced only if it is a Zarr store, or in the folder for forecasts of a run and
    without other files: it could be data.

    Args:
        own_folder: the folder for forecasts of the run.
    """
    if path.suffix and path.suffix not in SUFFIXES:
        raise ConfigError(
            f"output = {str(path)!r}: the suffix {path.suffix} is not known; use "
            f"{', '.join(SUFFIXES)}, or none for a folder of .npy frames"
        )
    with convert_os_errors(path):
        if path.is_dir() and not is_zarr(path) and not _is_forecast(path, own_folder):
            raise ConfigError(f"{path}: is a folder already; remove it, or choose another --output")
        for file in (path, picture_path(path)):
            if file.exists() and not overwrite:
                raise ConfigError(
                    f"{file}: exists already; choose another --output, or add --overwrite"
                )
    check_writable(path.parent)


def _is_forecast(path: Path, own_folder: Path) -> bool:
    """Whether a folder is one of a run's forecasts as frames."""
    files = {file for file in path.rglob("*") if not file.is_dir()}
    return path.parent.resolve() == own_folder.resolve() and files <= {*path.glob("*/[0-9]*.npy")}


def write(path: Path, forecasts: Forecasts, stored_scaling: Scaling | None) -> None:
    """Write forecasts in the format of the suffix; what exists there is replaced.

    Args:
        stored_scaling: for folders of frames, the scaling of the values in the input files.
    Raises: OutputError if the files cannot be written.
    """
    if path.suffix == ".nc":
        with publish(path) as temporary:
            as_dataset(forecasts).to_netcdf(temporary, engine="h5netcdf")
    elif path.suffix == ".npy":
        with publish(path) as temporary, temporary.open("wb") as file:
            values = forecasts.values
            np.save(file, values[0] if len(values) == 1 else values, allow_pickle=False)
    elif path.suffix == ".zarr":
        with publish_folder(path) as folder:
            as_dataset(forecasts).to_zarr(folder, mode="w", zarr_format=2, consolidated=True)
    else:
        with publish_folder(path) as folder:
            for name, values in zip(forecasts.names(), forecasts.values, strict=True):
                stored = values if stored_scaling is None else stored_scaling.to_unit(values)
                write_frames(folder / name, np.asarray(stored, np.float32))


def as_dataset(forecasts: Forecasts) -> "Dataset":
    """Forecasts as a data set after the CF conventions.

    One forecast has the dimensions (time, y, x), or (step, y, x) if its times are not known;
    several have (forecast, step, y, x). `within_trained_horizon` marks the steps that the network
    was trained for. The spread of a variable `NAME` of an ensemble is `NAME_spread`.
    """
    from xarray import Dataset

    is_single = len(forecasts.starts) == 1
    has_times = all(start.times is not None for start in forecasts.starts)
    along = ("time" if has_times else "step",) if is_single else ("forecast", "step")
    data: dict[str, Any] = {}
    for i, name in enumerate(forecasts.channels):
        dims = (*along, *forecasts.coordinates.dims)
        for variable, values, attributes in _variables(forecasts, name):
            of_channel = values[0, :, i] if is_single else values[:, :, i]
            data[variable] = (dims, of_channel, attributes)
    coordinates = {**forecasts.coordinates.variables, **_steps(forecasts, along[-1])}
    if has_times:
        coordinates |= _times(forecasts, along)
    if not is_single:
        coordinates["series"] = ("forecast", [start.series for start in forecasts.starts], {})
    dataset = Dataset(data, coordinates, _global_attributes(forecasts))
    for variable in dataset.coords.values():  # CF allows no missing values in coordinates
        variable.encoding["_FillValue"] = None
    return dataset


def _variables(
    forecasts: Forecasts, name: str
) -> list[tuple[str, NDArray[np.float32], dict[str, str]]]:
    """Name, values of all channels, and attributes of a channel's forecast and of its spread."""
    attributes, spread = _attributes(forecasts, name), forecasts.spread
    if spread is None:
        return [(name, forecasts.values, attributes)]
    of_spread = f"{name}_spread"
    while of_spread in forecasts.channels:
        of_spread += "_"
    quantity = forecasts.card.channel(name).quantity or name
    deviation = {
        "long_name": f"standard deviation of {quantity} in {spread.num_members} ensemble members",
        "units": attributes.get("units", ""),
        "cell_methods": "realization: standard_deviation",
    }
    mean = {"cell_methods": "realization: mean", "ancillary_variables": of_spread}
    return [
        (name, forecasts.values, {**attributes, **mean}),
        (of_spread, spread.values, {key: text for key, text in deviation.items() if text}),
    ]


def _global_attributes(forecasts: Forecasts) -> dict[str, Any]:
    """Those that CF defines: of the input, with what was done to it."""
    known = forecasts.coordinates.dataset
    title = known.get("title") or forecasts.card.name
    origin = f"simvp {__version__}" + (f", run {forecasts.run}" if forecasts.run else "")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    history = [f"{now} {forecasts.command or 'simvp'}", known.get("history", "")]
    return {
        "Conventions": "CF-1.10",
        "title": f"{title} forecast" if title else "forecast",
        **{key: known[key] for key in ("institution", "references", "comment") if key in known},
        "source": f"forecast of {origin}"
        + (f" from data with the source: {known['source']}" if known.get("source") else ""),
        "history": "\n".join(filter(None, history)),
        "trained_steps": forecasts.trained_steps,
    }


def _attributes(forecasts: Forecasts, channel: str) -> dict[str, str]:
    """Those of the input; unit and quantity as in the data card."""
    card = forecasts.card.channel(channel)
    known = {"units": card.unit, "long_name": card.quantity}
    return {
        **forecasts.coordinates.attributes.get(channel, {}),
        **{name: text for name, text in known.items() if text},
    }


def _steps(forecasts: Forecasts, dim: str) -> dict[str, Any]:
    numbers = np.arange(1, forecasts.values.shape[1] + 1)
    is_trained = (numbers <= forecasts.trained_steps).astype(np.int8)
    described = f"whether the step is one of the {forecasts.trained_steps} that were trained"
    return {
        "step": (dim, numbers, {"long_name": "forecast step", "units": "1"}),
        "within_trained_horizon": (dim, is_trained, {"long_name": described, "units": "1"}),
    }


def _times(forecasts: Forecasts, along: tuple[str, ...]) -> dict[str, Any]:
    """Time, lead time and the time of the last input frame of each forecast."""
    known = [start.times for start in forecasts.starts if start.times is not None]
    values = np.stack([times.values for times in known])
    is_date = bool(known[0].calendar)
    units = EPOCH if is_date else known[0].unit
    attributes = {"standard_name": "time", "axis": "T", "units": units}
    reference = {"standard_name": "forecast_reference_time", "units": units}
    if is_date:
        attributes["calendar"] = reference["calendar"] = known[0].calendar
    leads = values[:, 1:] - values[:, :1]
    divisor, unit = _unit_of(leads) if is_date else (1.0, units)
    lead_attributes = {"standard_name": "forecast_period", "units": unit}
    if len(along) == 1:
        return {
            "time": (along, values[0, 1:], attributes),
            "forecast_reference_time": ((), values[0, 0], reference),
            "lead_time": (along, leads[0] / divisor, lead_attributes),
        }
    return {
        "time": (along, values[:, 1:], attributes),
        "forecast_reference_time": (along[:1], values[:, 0], reference),
        "lead_time": (along, leads / divisor, lead_attributes),
    }


def _unit_of(seconds: NDArray[np.float64]) -> tuple[float, str]:
    """The longest of days, hours and seconds that divides all of them."""
    units = ((86400.0, "days"), (3600.0, "hours"), (1.0, "seconds"))
    return next((size, name) for size, name in units if (seconds % size == 0).all() or size == 1)
