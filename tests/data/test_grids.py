"""Cropped and averaged frames, and channels that are input only."""

from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import Simvp, only_split, write_sample

from simvp.data import open_source, read_split
from simvp.data.grids import average, resize_coordinate
from simvp.errors import ConfigError, DataError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two samples of 3 channels of 8x12 cells."""
    for seed in range(2):
        write_sample(tmp_path / "data" / f"run_{seed}", seed, size=(8, 12), channels=3)
    return tmp_path / "data"


def stored(data: Path, frame: int) -> np.ndarray:
    return np.asarray(np.load(data / "run_0" / f"{frame}.npy"))


def test_crop_selects_rows_and_columns(data: Path) -> None:
    source = open_source(data, crop="1:8,2:11")
    assert source.shape == source.series[0].shape == (3, 7, 9)
    frames = source.series[0].read(2, 7, 2)
    expected = np.stack([stored(data, i)[:, 1:8, 2:11] for i in (2, 4, 6)])
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize(("crop", "shape"), [(":,:", (8, 12)), ("1:,:9", (7, 9))])
def test_ends_of_a_crop_may_be_left_out(data: Path, crop: str, shape: tuple[int, int]) -> None:
    assert open_source(data, crop=crop).shape == (3, *shape)


def test_memory_is_that_of_the_whole_frames(data: Path) -> None:
    """Which are read before they are cropped; an interpolated frame may be larger."""
    sizes = [open_source(data, **grid).series[0].bytes_per_frame for grid in GRIDS]
    assert sizes == [4 * 3 * 8 * 12, 4 * 3 * 8 * 12, 4 * 3 * 16 * 24]


GRIDS: list[dict[str, str]] = [{}, {"crop": "0:7,0:7"}, {"resize": "16x24"}]


def test_whole_factors_are_averages_of_blocks(data: Path) -> None:
    frames = open_source(data, crop="0:8,0:12", resize="4x3").series[0].read(0, 2)
    blocks = stored(data, 1).reshape(3, 4, 2, 3, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(frames[1], blocks, rtol=1e-6)


def test_refined_frames_repeat_values_which_is_noted(data: Path) -> None:
    source = open_source(data, crop="0:8,0:6", resize="8x12")
    frames = source.series[0].read(0, 2)
    np.testing.assert_allclose(frames[1], stored(data, 1)[..., :6].repeat(2, axis=2), rtol=1e-6)
    assert source.assumptions == (
        "the frames are refined from 8x6 to 8x12 cells, which adds no detail",
    )
    assert open_source(data, resize="8x6").assumptions == ()


def test_average_preserves_the_mean() -> None:
    frames = np.random.default_rng(0).random((2, 3, 8, 12), dtype=np.float32)
    averaged = average(frames, (5, 7))
    assert averaged.shape == (2, 3, 5, 7)
    np.testing.assert_allclose(averaged.mean(axis=(2, 3)), frames.mean(axis=(2, 3)), rtol=1e-5)


def test_average_leaves_out_missing_values() -> None:
    """A cell is missing if more than half of it is, and otherwise the mean of the rest."""
    frames = np.arange(16, dtype=np.float32).reshape(1, 1, 2, 8)
    frames[0, 0, 0, 0] = np.nan  # a quarter of the first cell
    frames[0, 0, :, 2] = np.nan  # half of the second one
    frames[0, 0, :, 4] = frames[0, 0, 0, 5] = np.nan  # three quarters of the third one
    found = average(frames, (1, 4))[0, 0, 0]
    np.testing.assert_allclose(
        found, [(1 + 8 + 9) / 3, (3 + 11) / 2, np.nan, (6 + 7 + 14 + 15) / 4]
    )


@pytest.mark.parametrize(
    ("name", "values", "size", "expected"),
    [
        ("y", [1, 2, 4, 8, 10, 20], 3, [1.5, 6, 15]),
        ("y", [4, 2, 1], 2, [(4 + 2 / 2) / 1.5, (1 + 2 / 2) / 1.5]),
        ("y", [1, 2, 4], 6, [0.75, 1.25, 1.75, 2.5, 3.5, 4.5]),
        ("lat", [-90, 0, 90], 2, [-60, 60]),
        ("lat", [-90, 0, 90], 6, None),  # the first one would be -112.5
        ("lon", [358, 359, 0, 1], 2, [358.5, 360.5]),
        ("lon", [-179, 179, 177, 175], 2, [-180, -184]),
        ("x", [358, 359, 0, 1], 2, None),
        ("x", [0, 1, np.nan, 3], 2, None),
        ("x", [[0, 1], [2, 3]], 4, None),
        ("x", [5], 4, None),
    ],
)
def test_coordinates_of_averaged_cells(
    name: str, values: list[float], size: int, expected: list[float] | None
) -> None:
    found = resize_coordinate(name, np.array(values, np.float64), size, {})
    if expected is None:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_resized_latitudes_keep_their_attributes(tmp_path: Path) -> None:
    latitudes = np.linspace(80, -80, 9)
    values = np.random.default_rng(0).random((5, 9, 12), np.float32)
    data = xarray.Dataset(
        {"sst": (("time", "lat", "lon"), values)},
        {
            "lat": ("lat", latitudes, {"units": "degrees_north"}),
            "lon": ("lon", np.arange(12.0), {"units": "degrees_east"}),
            "area": (("lat", "lon"), values[0], {"units": "degrees_north"}),
        },
    )
    data.to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    source = open_source(tmp_path / "sst.nc", crop="1:9,:", resize="4x12")
    dims, found, attributes = source.coordinates.variables["lat"]
    np.testing.assert_allclose(found, latitudes[1:].reshape(4, 2).mean(axis=1), rtol=1e-12)
    assert (dims, attributes) == (("lat",), {"units": "degrees_north"})
    np.testing.assert_array_equal(source.coordinates.variables["lon"][1], np.arange(12))
    assert "area" not in source.coordinates.variables


def test_infinite_values_are_named_before_they_are_averaged(data: Path) -> None:
    frame = stored(data, 3)
    frame[1, 2, 2] = np.inf
    np.save(data / "run_0" / "3.npy", frame)
    with pytest.raises(DataError, match=r"run_0/3\.npy: has infinite values"):
        open_source(data, resize="4x6").series[0].read(2, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "1:5"}, "expected ROWS,COLUMNS"),
        ({"crop": "5:5,0:9"}, "rows 5:5 do not lie within the 8 rows"),
        ({"crop": ":,0:13"}, "columns 0:13 do not lie within the 12 columns"),
        ({"resize": "4"}, "expected height and width"),
        ({"resize": "0x4"}, "expected height and width"),
        ({"inputs": ["0", "1", "2"]}, "no channel of .* is left to be forecast"),
        ({"inputs": ["3"]}, "has no channel '3'"),
        ({"static": ["depth"]}, "has no static field 'depth'"),
    ],
)
def test_invalid_option_is_one_message(data: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_source(data, **options)  # type: ignore[arg-type]


def test_inputs_are_the_last_channels(data: Path) -> None:
    source = open_source(data, inputs=["0"])
    assert (source.channels, source.inputs) == (("1", "2", "0"), ("0",))
    np.testing.assert_array_equal(source.series[0].read(4, 5)[0], stored(data, 4)[[1, 2, 0]])
    assert open_source(data, variables=["2"], inputs=["0"]).channels == ("2", "0")


def test_crop_of_a_periodic_axis_is_not_periodic(data: Path) -> None:
    card = 'boundary_y = "periodic"\nboundary_x = "periodic"\nsymmetries = ["roll", "flip_x"]\n'
    (data / "dataset.toml").write_text(card)
    source = open_source(data, crop=":,0:9")
    assert (source.card.boundary_y, source.card.boundary_x) == ("periodic", "zeros")
    assert source.card.symmetries == ["flip_x"]
    assert "boundary_x is zeros instead of periodic" in source.assumptions[0]
    assert open_source(data, resize="8x8").card.symmetries == ["roll", "flip_x"]


def test_options_of_split_hold_for_later_commands(data: Path, simvp: Simvp) -> None:
    for seed in range(2, 6):
        write_sample(data / f"run_{seed}", seed, size=(8, 12), channels=3)
    simvp("split", str(data), "--crop", "0:8,1:11", "--resize", "8x9", "--inputs", "1")
    split = read_split(only_split(data))
    assert split.data.shape == (3, 8, 9)
    assert split.data.channels == ("0", "2", "1")
    segment = split.segments("train")[0]
    expected = open_source(data, crop="0:8,1:11", resize="8x9", inputs=["1"])
    again = next(item for item in expected.series if item.id == segment.series.id)
    np.testing.assert_array_equal(segment.series.read(0, 8), again.read(0, 8))
