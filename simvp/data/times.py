"""Times of frames, and the frames between two dates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPOCH = "seconds since 1970-01-01"
_DATE = re.compile(r"(\d{1,4})-(\d\d?)(?:-(\d\d?))?(?:[T ](\d\d?)(?::(\d\d?)(?::(\d\d?))?)?)?")


@dataclass(frozen=True)
class Times:
    """Times of frames.

    Attributes:
        values: in units of `unit`; seconds since 1970 in the calendar if there is one.
        unit: "second" if the calendar is known; otherwise as in the file, or empty.
        calendar: name of the calendar; empty if dates are not known.
    """

    values: NDArray[np.float64]
    unit: str = ""
    calendar: str = ""

    def label(self, index: int) -> str:
        """A time as text."""
        if not self.calendar:
            return f"{self.values[index]:.10g} {self.unit}".strip()
        date = Times(self.values[[index]], self.unit, self.calendar).dates()[0]
        return str(date).removesuffix(" 00:00:00")

    def dates(self) -> Sequence[Any]:
        """The times as dates of cftime, for times with a calendar."""
        import cftime

        dates: Sequence[Any] = cftime.num2date(
            self.values, EPOCH, self.calendar, only_use_cftime_datetimes=True
        )
        return dates

    def at(self, dates: Sequence[Any]) -> "Times":
        """Times of the same calendar, at dates of cftime."""
        import cftime

        return Times(cftime.date2num(dates, EPOCH, self.calendar), self.unit, self.calendar)

    def take(self, indices: NDArray[np.int64]) -> "Times":
        """The times of some frames."""
        return Times(self.values[indices], self.unit, self.calendar)

    def cut(self, first: int, last: int) -> "Times":
        """The times first..last-1."""
        return Times(self.values[first:last], self.unit, self.calendar)


def parse_date(text: str, calendar: str) -> float:
    """Seconds since 1970 in a calendar for a date like 1990-01, 1990-01-15 or 1990-01-15T06:00.

    Raises: ValueError if it is not a date of the calendar.
    """
    import cftime

    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("expected a date, such as 1990-01-15 or 1990-01-15T06:00")
    year, month, day, *time = (int(part) if part else None for part in found.groups())
    clock = [part or 0 for part in time]
    try:
        date = cftime.datetime(year, month, 1 if day is None else day, *clock, calendar=calendar)
    except ValueError:
        raise ValueError(
            f"the {calendar} calendar has no such date; expected a date such as 2000-02-28"
        ) from None
    return float(cftime.date2num(date, EPOCH, calendar))
