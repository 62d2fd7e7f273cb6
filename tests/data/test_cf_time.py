"""Analysis of time axes."""

import numpy as np
import pytest

from simvp.data.cf_time import Steps, analyse, continued, first_disorder, read_times
from simvp.data.times import Times, parse_date


def test_times_of_different_epochs_and_units_are_comparable() -> None:
    days = read_times(np.array([1, 2]), {"units": "days since 1970-01-01"})
    hours = read_times(np.array([0, 24]), {"units": "hours since 1970-01-02 00:00:00"})
    np.testing.assert_array_equal(days.values, [86400, 172800])
    np.testing.assert_array_equal(hours.values, days.values)
    assert days.calendar == hours.calendar == "standard"
    assert days.label(1) == "1970-01-03"


@pytest.mark.parametrize(
    ("calendar", "label"),
    [("standard", "2020-02-29"), ("noleap", "2020-03-01"), ("360_day", "2020-02-30")],
)
def test_dates_follow_the_calendar(calendar: str, label: str) -> None:
    attributes = {"units": "days since 2020-02-28", "calendar": calendar}
    offset = 2 if calendar == "360_day" else 1
    assert read_times(np.array([offset]), attributes).label(0) == label


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, 2.0], Steps("1 day")),
        ([0.0], Steps("")),
        # of two middle steps the shorter one, which occurs
        ([0.0, 1.0, 6.0], Steps("1 day", ((2, 4),))),
        ([0.0, 2.0, 4.0, 6.0, 12.0, 14.0], Steps("2 days", ((4, 2),))),
        ([0.0, 10.0, 20.0, 28.0], Steps("10 days", (), "8 days to 10 days")),
    ],
)
def test_steps(values: list[float], expected: Steps) -> None:
    assert analyse(Times(np.array(values), "day")) == expected


def test_single_precision_times_are_even() -> None:
    values = (36500 + np.arange(100) / 4).astype("f4")
    times = read_times(values, {"units": "days since 1900-01-01"})
    assert analyse(times) == Steps("6 hours")


@pytest.mark.parametrize(
    ("values", "index"), [([1, 2, 3], None), ([1, 3, 3], 2), ([2, 1], 1), ([np.inf, 1], 0)]
)
def test_first_disorder(values: list[float], index: int | None) -> None:
    assert first_disorder(np.array(values, "f8")) == index


@pytest.mark.parametrize(
    ("calendar", "dates", "every", "expected"),
    [
        ("standard", ["2000-02-27", "2000-02-28"], 1, ["2000-02-29", "2000-03-01"]),
        ("noleap", ["2000-02-27", "2000-02-28"], 1, ["2000-03-01", "2000-03-02"]),
        ("360_day", ["2000-02-29", "2000-02-30"], 1, ["2000-03-01", "2000-03-02"]),
        (
            "standard",
            ["2000-01-01T00:00", "2000-01-01T06:00"],
            2,
            ["2000-01-01T18", "2000-01-02T06"],
        ),
        # Months of the calendar, from 31 January to the end of February.
        (
            "standard",
            ["2000-10-31", "2000-11-30", "2000-12-31", "2001-01-31"],
            1,
            ["2001-02-28", "2001-03-31"],
        ),
        ("standard", ["2000-11-16", "2000-12-16", "2001-01-16"], 2, ["2001-03-16", "2001-05-16"]),
    ],
)
def test_times_continue_at_the_usual_step(
    calendar: str, dates: list[str], every: int, expected: list[str]
) -> None:
    values = np.array([parse_date(date, calendar) for date in dates])
    found = continued(Times(values, "second", calendar), len(dates) - 1, 2, every)
    assert found.values.tolist() == [parse_date(date, calendar) for date in expected]


def test_single_time_has_no_step() -> None:
    with pytest.raises(ValueError, match="a single time has no step"):
        continued(Times(np.zeros(1), "second", "standard"), 0, 2)


def test_times_beyond_all_dates_are_numbers() -> None:
    """As after a damage, where a date could not even be named in a message."""
    times = read_times(np.array([0.0, 1e300]), {"units": "days since 2020-01-01"})
    assert (times.unit, times.calendar) == ("day", "")
    assert times.label(1) == "1e+300 day"
    late = read_times(np.array([0.0, 3e7]), {"units": "days since 2020-01-01"})
    assert late.label(1).startswith("84157-")  # 2020 + 3e7 / 365.2425
