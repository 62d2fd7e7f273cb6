"""Time axes of CF variables: order, usual step and gaps."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.cf_values import as_text, decode
from simvp.data.times import EPOCH, Times

_SECONDS = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0}
_DAYS_PER_MONTH = 30.4375
_LONGEST = 3e12  # seconds, 95,000 years from 1970; cftime has dates for three times as long
_TOO_LONG = 1.5  # steps longer than this many usual ones are gaps
_STANDARD = {"gregorian": "standard", "proleptic_gregorian": "standard"}
_UNITS = {
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "second"),
}


@dataclass(frozen=True)
class Steps:
    """Analysis of a time axis.

    Attributes:
        usual: the usual step as text, as "6 hours"; empty if there is none.
        gaps: (index, missing): this number of frames is missing before the frame of this index.
        spread: the shortest and longest step within the gaps, if they differ; otherwise empty.
    """

    usual: str
    gaps: tuple[tuple[int, int], ...] = ()
    spread: str = ""


def read_times(values: NDArray[Any], attributes: Any) -> Times:
    """Decode the values of a time coordinate."""
    import cftime

    numbers = decode(values, attributes)
    units = as_text(attributes, "units")
    word = units.split(" since ")[0].strip().lower()
    calendar = as_text(attributes, "calendar").lower() or "standard"
    if word in _UNITS and " since " in units:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about year 0, which some epochs use
                start = cftime.num2date(0, units, calendar, only_use_cftime_datetimes=True)
                origin = float(cftime.date2num(start, EPOCH, calendar))
        except (ValueError, TypeError, OverflowError):
            return Times(numbers, _UNITS[word])
        seconds = np.round(origin + numbers * _SECONDS[_UNITS[word]], 3)
        if np.abs(seconds[np.isfinite(seconds)]).max(initial=0) < _LONGEST:
            return Times(seconds, "second", _STANDARD.get(calendar, calendar))
        return Times(numbers, _UNITS[word])
    return Times(numbers, word.removesuffix("s"))


def first_disorder(values: NDArray[np.float64]) -> int | None:
    """Index of the first time that is not finite or not later than the one before."""
    if not np.isfinite(values).all():
        return int(np.argmin(np.isfinite(values)))
    wrong = np.flatnonzero(np.diff(values) <= 0)
    return int(wrong[0]) + 1 if wrong.size else None


def analyse(times: Times) -> Steps:
    """Find the usual step of ascending times, and the gaps."""
    if times.values.size < 2:
        return Steps("")
    months = _in_months(times)
    values, unit = (times.values, times.unit) if months is None else (months, "month")
    steps = np.diff(values)
    usual = _usual(steps)
    is_gap = steps > _TOO_LONG * usual
    missing = np.round(steps[is_gap] / usual).astype(int) - 1
    others = steps[~is_gap]
    varies = np.ptp(others) > 0.01 * usual
    return Steps(
        _describe(usual, unit),
        tuple(zip((np.flatnonzero(is_gap) + 1).tolist(), missing.tolist(), strict=True)),
        f"{_describe(others.min(), unit)} to {_describe(others.max(), unit)}" if varies else "",
    )


def continued(times: Times, last: int, count: int, every: int = 1) -> Times:
    """The `count` times after the one of index `last`, at `every` times the usual step.

    Steps of months are steps of the calendar: a month after 31 January is the end of February.

    Raises: ValueError if there are fewer than two times, so that no step is known.
    """
    if times.values.size < 2:
        raise ValueError("a single time has no step")
    steps = every * np.arange(1, count + 1)
    months = _in_months(times)
    if months is None:
        usual = _usual(np.diff(times.values))
        return Times(times.values[last] + usual * steps, times.unit, times.calendar)
    date = times.cut(last, last + 1).dates()[0]
    usual = round(_usual(np.diff(months)))
    return times.at([_months_later(date, usual * int(step)) for step in steps])


def _months_later(date: Any, months: int) -> Any:
    """A date some months later, on the last day of the month if it has fewer days."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    first = date.replace(year=year, month=month + 1, day=1)
    return first.replace(day=min(date.day, first.daysinmonth))


def _usual(steps: NDArray[np.float64]) -> float:
    """The median step; of two in the middle the shorter one, so that it is a step that occurs."""
    return float(np.sort(steps)[(steps.size - 1) // 2])


def _in_months(times: Times) -> NDArray[np.float64] | None:
    """Months since year 0, if the steps are whole months of varying length."""
    if not times.calendar:
        return None
    steps = np.diff(times.values)
    days = _usual(steps) / _SECONDS["day"]
    count = round(days / _DAYS_PER_MONTH)
    if count < 1 or abs(days - count * _DAYS_PER_MONTH) > min(3.0 * count, 6.0):
        return None
    dates = times.dates()
    months = np.array([date.year * 12 + date.month for date in dates], np.float64)
    by_month = np.diff(months)
    is_even = steps.min() == steps.max() and len({date.day for date in dates}) > 1
    if is_even or by_month.min() < 1 or _usual(by_month) != count:
        return None
    return months


def _describe(step: float, unit: str) -> str:
    """A step as text: seconds in the longest unit that divides them, 12 months as 1 year."""
    if unit == "month" and step % 12 == 0:
        step, unit = step / 12, "year"
    if unit in _SECONDS:
        seconds = step * _SECONDS[unit]
        unit = next((name for name, size in _SECONDS.items() if seconds % size == 0), "second")
        step = seconds / _SECONDS[unit]
    plural = "" if step == 1 or not unit else "s"
    return f"{step:.6g} {unit}{plural}".strip()
