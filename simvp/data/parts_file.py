"""Parts that the user lists in a TOML file: the samples of each, or the period of each."""

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from simvp.config.loading import explain, read_layer
from simvp.config.section import Section
from simvp.data.parts import Parts, as_given
from simvp.data.segments import Segment
from simvp.data.selection import frame_range
from simvp.data.split_records import PARTS
from simvp.errors import ConfigError


def _as_text(value: Any) -> Any:
    """Numbers and dates of TOML as text."""
    return str(value) if isinstance(value, (int, date)) else value


Bound = Annotated[str, BeforeValidator(_as_text)]


class Period(Section):
    """Frames from `start` to before `stop`, each the number of a frame, a date, or empty."""

    start: Bound = ""
    stop: Bound = ""


class _Parts(Section):
    train: list[str] | Period
    validation: list[str] | Period | None = None
    test: list[str] | Period


def listed(path: Path, segments: Sequence[Segment], ratios: Sequence[float]) -> Parts:
    """Assign segments to parts as a file says; without validation, some training samples validate.

    Raises: ConfigError if the file is not valid, or does not fit the samples.
    """
    entries = read_parts(path)
    periods = {name: entry for name, entry in entries.items() if isinstance(entry, Period)}
    patterns = {name: entry for name, entry in entries.items() if isinstance(entry, list)}
    if periods and patterns:
        raise ConfigError(f"{path}: mixes lists of samples and periods; use one of them")
    if patterns:
        given = _by_id(path, [segment.series.id for segment in segments], patterns)
        return as_given(segments, given, ratios)
    if len(periods) < len(PARTS):
        raise ConfigError(f"{path}: has no period for validation; {_EXAMPLE}")
    return _by_period(path, segments, periods)


def read_parts(path: Path) -> dict[str, list[str] | Period]:
    """The entries of a parts file. Raises ConfigError if it is not valid."""
    if not path.is_file():
        raise ConfigError(f"parts = {str(path)!r}: there is no such file; {_EXAMPLE}")
    try:
        file = _Parts.model_validate(read_layer(path, _EXAMPLE).tables)
    except ValidationError as error:
        problem = error.errors()[0]
        part = str(problem["loc"][0])
        raise ConfigError(f"{path}: {part}{explain(problem)}; {_EXAMPLE}") from None
    return {name: getattr(file, name) for name in PARTS if getattr(file, name) is not None}


_EXAMPLE = (
    'expected train = ["run_1", "run_2*"], or train = {start = "1990-01-01", stop = "2010-01-01"}, '
    "and the same for validation and test"
)


def _by_id(path: Path, ids: Sequence[str], entries: dict[str, list[str]]) -> dict[str, list[str]]:
    """The ids of each part, of those that its names and patterns match."""
    parts: dict[str, list[str]] = {name: [] for name in entries}
    for name, patterns in entries.items():
        for pattern in patterns:
            found = [series_id for series_id in ids if fnmatchcase(series_id, pattern)]
            if not found:
                raise ConfigError(
                    f"{path}: {name}: no sample matches {pattern!r}; samples are {ids[0]}, ..."
                )
            parts[name] += [series_id for series_id in found if series_id not in parts[name]]
    placed: dict[str, str] = {}
    for name, members in parts.items():
        for series_id in members:
            if series_id in placed:
                raise ConfigError(
                    f"{path}: sample {series_id} is in {placed[series_id]} and in {name}; list it "
                    "once"
                )
            placed[series_id] = name
    return parts


def _by_period(path: Path, segments: Sequence[Segment], periods: dict[str, Period]) -> Parts:
    """The frames of each segment in the period of each part."""
    parts: Parts = [[] for _ in periods]
    for segment in segments:
        used: dict[int, str] = {}
        for part, (name, period) in zip(parts, periods.items(), strict=True):
            within = frame_range(segment.series, period.start, period.stop)
            positions = [i for i, frame in enumerate(segment.frames) if frame in within]
            if not positions:
                continue
            twice = next((i for i in positions if i in used), None)
            if twice is not None:
                raise ConfigError(
                    f"{path}: {used[twice]} and {name} both have frame "
                    f"{segment.series.record_start + segment.frames[twice]} of sample "
                    f"{segment.series.id}; periods must not overlap (`stop` is not included)"
                )
            used |= dict.fromkeys(positions, name)
            part.append(segment.cut(positions[0], positions[-1] + 1))
    empty = [name for part, name in zip(parts, periods, strict=True) if not part]
    if empty:
        raise ConfigError(f"{path}: no sample has frames in the period of {empty[0]}")
    return parts
