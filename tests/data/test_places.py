"""Where the frames of a run are, in words."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import Simvp

from simvp.data import open_source
from simvp.data.places import describe_grid
from simvp.data.split import find_split, read_split


def write_ocean(path: Path, latitudes: np.ndarray) -> None:
    values = np.random.default_rng(0).random((40, 8, 9))
    dataset = xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, {"units": "degC"})},
        {
            "time": np.arange("2001-01-01", "2001-02-10", dtype="datetime64[D]").astype("M8[ns]"),
            "lat": ("lat", latitudes, {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(-4, 8.5, 9), {"units": "degrees_east"}),
        },
    )
    dataset.to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize(
    ("latitudes", "expected"),
    [
        (np.linspace(49, 57, 8), ("lower", "lat 49 to 57 degrees_north, bottom to top")),
        (np.linspace(57, 49, 8), ("upper", "lat 57 to 49 degrees_north, top to bottom")),
    ],
)
def test_north_is_at_the_top(
    latitudes: np.ndarray, expected: tuple[str, str], tmp_path: Path, simvp: Simvp
) -> None:
    write_ocean(Path("ocean.nc"), latitudes)
    assert open_source("ocean.nc").card.origin == expected[0]
    simvp("split", "ocean.nc")
    split = find_split("", "ocean.nc")
    data = read_split(split).data
    assert describe_grid(str(split), data) == (
        f"lon -4 to 8.5 degrees_east, left to right; {expected[1]}"
    )
    Path("ocean.nc").unlink()
    assert describe_grid(str(split), data) == ""
