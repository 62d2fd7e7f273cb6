"""Which frames of a series are used."""

from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import Simvp, only_split, write_sample

from simvp.config import assignment_layer, resolve
from simvp.config.sections import SplitSection
from simvp.data import Segment, Series, open_source, read_split
from simvp.data.selection import choose_segment, frame_range
from simvp.data.times import parse_date
from simvp.errors import ConfigError, DataError


def settings(*assignments: str) -> SplitSection:
    return resolve([assignment_layer(f"split.{text}") for text in assignments]).split


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], "0123456789"),
        (["total_length=4"], "0123"),
        (["start_index=7"], "789"),
        (["start_index=2", "total_length=3"], "234"),
        (["init_final_only=true"], "09"),
        (["start_index=2", "total_length=3", "init_final_only=true"], "24"),
        (["total_length=4", "reverse=true"], "3210"),
        (["init_final_only=true", "reverse=true"], "90"),
        (["start='3'"], "3456789"),
        (["start='3'", "stop='7'", "every=2"], "35"),
        (["start='3'", "start_index=2", "total_length=3"], "567"),
        (["stop='99'"], "0123456789"),
    ],
)
def test_selected_frames(data: Path, assignments: list[str], expected: str) -> None:
    assert "".join(map(str, chosen(ten_frames(data), assignments))) == expected


def ten_frames(data: Path) -> Series:
    write_sample(data / "wave_3", 0, frames=10)
    return next(series for series in open_source(data).series if series.id == "wave_3")


def chosen(series: Series, assignments: list[str], number: int = 0) -> list[int]:
    return list(segment_of(series, *assignments, number=number).frames)


def segment_of(series: Series, *assignments: str, number: int = 0) -> Segment:
    segment = choose_segment(series, settings(*assignments), number)
    assert segment is not None
    return segment


def test_segment_is_read_in_its_frame_order(data: Path) -> None:
    series = ten_frames(data)
    frames = series.read(0, 10)
    backwards = segment_of(series, "reverse=true", "total_length=4")
    np.testing.assert_array_equal(backwards.read_stored(0, 4), frames[[3, 2, 1, 0]])
    np.testing.assert_array_equal(backwards.read_stored(1, 3), frames[[2, 1]])
    ends = segment_of(series, "init_final_only=true")
    np.testing.assert_array_equal(ends.read_stored(0, 2), frames[[0, 9]])


def test_random_start_covers_every_window(data: Path) -> None:
    series = ten_frames(data)
    drawn = {chosen(series, ["start_index=-1", "total_length=8"], k)[0] for k in range(60)}
    assert drawn == {0, 1, 2}


@pytest.mark.parametrize("assignment", ["total_length=11", "start_index=10"])
def test_frames_beyond_the_end_are_refused(data: Path, assignment: str) -> None:
    with pytest.raises(DataError, match="wave_3: has 10 frames"):
        chosen(ten_frames(data), [assignment])


def test_series_without_frames_in_the_range_is_left_out(data: Path) -> None:
    assert choose_segment(ten_frames(data), settings("start='10'"), 0) is None


@pytest.fixture
def daily(tmp_path: Path) -> Path:
    """A year of 360 days from 1 November 1999, 30 days each month."""
    times = xarray.date_range("1999-11-01", periods=360, calendar="360_day", use_cftime=True)
    values = np.random.default_rng(0).random((360, 8, 9), dtype=np.float32)
    dataset = xarray.Dataset(
        {"sst": (("time", "lat", "lon"), values)},
        {"time": times, "lat": np.arange(8.0), "lon": np.arange(9.0)},
    )
    dataset.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    return tmp_path / "daily.nc"


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        ("1999-11-30", "2000-02-30", range(29, 119)),  # a date of this calendar only
        ("", "1999-12", range(30)),
        ("2000-10-29T00:00", "", range(358, 360)),
        ("1999-11-02T01:00", "4", range(2, 4)),
        ("1990-01-01", "1995-01-01", range(0)),
    ],
)
def test_dates_select_frames(daily: Path, start: str, stop: str, expected: range) -> None:
    assert frame_range(open_source(daily).series[0], start, stop) == expected


@pytest.mark.parametrize("text", ["1999-13-01", "1999", "-3", "yesterday", "1999-11-31"])
def test_invalid_date_is_one_message(daily: Path, text: str) -> None:
    series = open_source(daily).series[0]
    if text == "1999":  # digits are the number of a frame
        assert frame_range(series, text, "") == range(1999, 360)
        return
    with pytest.raises(ConfigError, match=f"stop = '{text}': "):
        frame_range(series, "", text)


def test_frames_between_dates_are_split(daily: Path, simvp: Simvp) -> None:
    simvp("split", "daily.nc", "--start", "1999-12-01", "--stop", "2000-03-11")
    parts = read_split(only_split(daily.parent)).parts
    assert [[segment.frames for segment in part] for part in parts.values()] == [
        [range(30, 100)],
        [range(100, 115)],
        [range(115, 130)],
    ]


def test_file_with_missing_dates_is_split_by_time(daily: Path, simvp: Simvp) -> None:
    """The pieces between gaps are no samples to choose from at random."""
    with xarray.open_dataset(daily) as data:
        kept = [i for i in range(120) if i not in (20, 80, 81)]
        data.isel(time=kept).to_netcdf("gaps.nc", engine="h5netcdf")
    text = simvp("split", "gaps.nc").stdout
    assert "split: by time" in text
    split = read_split(next(Path().glob("*_loaders.json")))
    lengths = [[len(segment.frames) for segment in part] for part in split.parts.values()]
    assert lengths == [[20, 59, 3], [17], [18]]


def test_impossible_date_is_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match="^the standard calendar has no such date; expected a d"):
        parse_date("2000-02-30", "standard")
    assert parse_date("2000-02-30", "360_day") > 0


def test_numbers_of_frames_count_from_the_start_of_a_record(tmp_path: Path) -> None:
    """Frames 3 to 11 of a record whose second piece begins with frame 7."""
    times = xarray.date_range("2001-02-20", periods=20, use_cftime=True)
    values = np.random.default_rng(0).random((20, 8, 9), dtype=np.float32)
    dataset = xarray.Dataset({"sst": (("time", "lat", "lon"), values)}, {"time": times})
    dataset = dataset.isel(time=[i for i in range(20) if i != 7])
    dataset.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    first, second = open_source(tmp_path / "daily.nc").series
    assert frame_range(first, "3", "12") == range(3, 7)
    assert frame_range(second, "3", "12") == range(0, 5)
    assert not frame_range(first, "7", "")
    assert frame_range(second, "2001-03-01", "") == range(1, 12)
