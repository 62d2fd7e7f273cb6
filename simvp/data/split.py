"""Splits: which segments of which series train, validate and test."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simvp.data import split_v1
from simvp.data.access import check_exists, check_folder, unreadable
from simvp.data.card import CARD_NAME, DatasetCard, check_vectors, folder_of, read_card
from simvp.data.description import DataDescription
from simvp.data.locations import Location, as_location
from simvp.data.scaling import Scaling, Statistics, mean_and_std
from simvp.data.segments import Segment
from simvp.data.series import Coordinates, Series
from simvp.data.source import open_with
from simvp.data.sources.frames import FrameSeries, open_frame
from simvp.data.split_records import PARTS, SUFFIX, SegmentRecord, SplitRecord
from simvp.errors import DataError, plain_reason

_MAKE_ANOTHER = "make another split with `simvp split`"


@dataclass(frozen=True)
class Split:
    """What a split file says about a data set.

    Attributes:
        path: the split file.
        source: the data set: a file, a folder, a pattern or a URL.
        data: channels, shape, scaling and data card.
        statistics: of the training part, in physical units; None in files of version 1.
        parts: the segments of each part.
        coordinates: of rows and columns, as far as the files say them.
    """

    path: Path
    source: Location
    data: DataDescription
    statistics: Statistics | None
    parts: dict[str, list[Segment]]
    coordinates: Coordinates = Coordinates()

    def segments(self, part: str) -> list[Segment]:
        """The segments of "train", "validation" or "test".

        Raises: ValueError for another name; DataError if the part is empty.
        """
        if part not in self.parts:
            raise ValueError(f"part = {part!r}: should be one of {', '.join(PARTS)}")
        if not self.parts[part]:
            raise DataError(f"{self.path}: has no {part} samples; {_MAKE_ANOTHER}")
        return self.parts[part]

    def check_scaling(self) -> None:
        """Raises DataError if the data card now contradicts how the data were read and scaled."""
        card, scaling = self.data.card, self.data.scaling
        contradicts = card != DatasetCard() and card.stored_as() != self.data.stored
        for name, low, high in zip(self.data.channels, scaling.low, scaling.high, strict=True):
            channel = card.channel(name)
            contradicts |= channel.low not in (None, low) or channel.high not in (None, high)
        if contradicts:
            raise DataError(
                f"{self.path}: was made with other values of `stored`, `low` or `high` than the "
                f"data card has now; {_MAKE_ANOTHER}"
            )


def find_split(split: str, data_path: str) -> Path:
    """The split file that `data.split` names; without a name the newest one in `data.path`.

    In a folder, splits of the folder itself come before those of files in it.
    Raises: DataError if there is none.
    """
    if split:
        return Path(split)
    path = as_location(data_path)
    if isinstance(path, Path):
        check_exists(path)
    folder = folder_of(path)  # the split of a file is beside it
    check_folder(folder)
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if folder != path:  # beside splits of other files
        name = path.name if isinstance(path, Path) else path.text
        found = [file for file in found if _source_name(file) == name]
    else:
        found = [file for file in found if _source_name(file) in (None, ".")] or found
    if not found:
        where = "" if isinstance(path, Path) else " in the current folder"
        raise DataError(
            f"{data_path}: has no split file (*{SUFFIX}){where}; make one with `simvp split "
            f"{data_path}`, or give one with --data"
        )
    return found[-1]


def describe_choice(split: Split, named: str, data_path: str) -> list[str]:
    """Lines that say which data and split file are used; see `find_split` for the arguments."""
    lines = [f"data: {split.source}, split by {split.path}"]
    files = [] if named else sorted(Path(data_path).glob(f"*{SUFFIX}"))
    sources = {_source_name(file) or "." for file in files}
    if len(sources) > 1 and "." not in sources:
        lines.append(
            f"{data_path} has splits of {', '.join(sorted(sources))}: the newest is used; choose "
            "another with --data-path or --data"
        )
    return lines


def _source_name(path: Path) -> str | None:
    """The file that a split file is of; None if it is of a folder."""
    source = _read_json(path)[0].get("source")
    return source.get("path") if isinstance(source, dict) else None


def read_split(path: str | Path) -> Split:
    """Read a split file of this version, of version 1 or of the old scripts.

    Args:
        path: the split file, whose name ends in .json; or the path of data, whose newest split
            file is read.
    Raises: DataError if it is not one, or does not fit the data that it names; ConfigError if the
        data card is not valid.
    """
    path = Path(path) if str(path).endswith(".json") else find_split("", str(path))
    record, text = _read_json(path)
    if "format" not in record:
        return _from_lists(path, record)
    if isinstance(record["format"], int) and record["format"] > 2:
        raise DataError(f"{path}: was written by a newer version of simvp; {_MAKE_ANOTHER}")
    try:
        content = SplitRecord.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "split"
        reason = plain_reason(problem["msg"])
        raise DataError(f"{path}: {where}: {reason}; {_MAKE_ANOTHER}") from None
    return _from_record(path, content)


def _read_json(path: Path) -> tuple[dict[str, Any], bytes]:
    """The content of a split file, and its text. Raises DataError."""
    try:
        text = path.read_bytes()
        record = json.loads(text)
    except FileNotFoundError:
        raise DataError(f"{path}: split file not found; make one with `simvp split`") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is not a split file: not JSON ({error}); {_MAKE_ANOTHER}"
        ) from None
    if not isinstance(record, dict):
        raise DataError(f"{path}: is not a split file: expected a JSON object; {_MAKE_ANOTHER}")
    return record, text


def _from_record(path: Path, record: SplitRecord) -> Split:
    source_path = as_location(record.source.path, path.parent)
    if isinstance(source_path, Path):  # it was made relative without regard to links
        source_path = Path(os.path.normpath(path.parent / source_path))
    source = open_with(source_path, record.source.options)
    if (source.kind, source.shape) != (record.source.kind, record.shape):
        raise DataError(
            f"{source.path}: format and shape of the frames have changed since {path.name} was "
            f"written (now {source.kind}, {source.shape}); restore them, or {_MAKE_ANOTHER}"
        )
    is_scaled, scaling = record.source.stored == "scaled", record.scaling
    if is_scaled:  # the card gives the units, and may have been corrected since
        scaling = source.card.stored_scaling(record.channels) or scaling
    # The names and the scaling of the split hold, whatever the card says by now.
    series = {
        item.id: replace(
            item, channels=record.channels, stored_scaling=scaling if is_scaled else None
        )
        for item in source.series
    }
    parts = {name: _segments(path, series, getattr(record, name).segments) for name in PARTS}
    _check_disjoint(path, parts)
    # Statistics are in the units of the card at that time.
    mean, std = mean_and_std(record.statistics, record.scaling)
    data = DataDescription(
        channels=record.channels,
        inputs=record.inputs,
        shape=record.shape,
        scaling=scaling,
        stored=record.source.stored,
        card=source.card,
        mean=mean,
        std=std,
        has_missing=any(record.statistics.missing),
        options=record.source.options,
        step=abs(record.train.segments[0].step) if record.train.segments else 1,
    )
    return Split(path, source.path, data, record.statistics, parts, source.coordinates)


def _segments(path: Path, series: dict[str, Series], records: list[SegmentRecord]) -> list[Segment]:
    missing = next((record.series for record in records if record.series not in series), None)
    if missing is not None:
        raise DataError(
            f"{path.parent}: sample {missing} is listed in {path.name}, but there is no such "
            f"sample; restore it, or {_MAKE_ANOTHER}"
        )
    return [Segment(series[r.series], r.start, r.stop, r.step, r.fingerprint) for r in records]


def _check_disjoint(path: Path, parts: dict[str, list[Segment]]) -> None:
    """Raises DataError if a segment is empty or a frame is listed twice."""
    last: dict[str, tuple[int, str]] = {}
    listed = [(segment, name) for name, segments in parts.items() for segment in segments]
    for segment, name in sorted(listed, key=lambda item: min(item[0].frames, default=0)):
        frames, series_id = segment.frames, segment.series.id
        if not frames:
            raise DataError(f"{path}: sample {series_id} has no frames in {name}; {_MAKE_ANOTHER}")
        end, other = last.get(series_id, (-1, ""))
        if min(frames) <= end:
            raise DataError(
                f"{path}: sample {series_id}: frame {min(frames)} is listed in {other} and again "
                f"in {name}, so a score on it would mean nothing; {_MAKE_ANOTHER}"
            )
        last[series_id] = max(frames), name


def _from_lists(path: Path, record: dict[str, Any]) -> Split:
    """The split of a file of version 1, which was made for values within [0, 1]."""
    listed = split_v1.parse(path, record)
    first = next(frames[0] for samples in listed.values() for _, frames, _ in samples)
    array, card = open_frame(first), read_card(path.parent / CARD_NAME)
    shape = array.shape if array.ndim == 3 else (1, *array.shape)
    channels = card.channel_names(shape[0], path.parent / CARD_NAME)
    check_vectors(card, channels, path.parent / CARD_NAME, is_selection=False)
    stored_scaling = card.stored_scaling(channels)
    parts: dict[str, list[Segment]] = {name: [] for name in PARTS}
    for name, samples in listed.items():
        for sample_id, frames, checksums in samples:
            series = FrameSeries(
                id=sample_id,
                channels=channels,
                shape=shape,
                stored_scaling=stored_scaling,
                folder=Path(frames[0]).parent,
                listed=frames,
                checksums=checksums,
            )
            parts[name].append(Segment(series, 0, len(frames)))
    scaling = stored_scaling or Scaling((0.0,) * shape[0], (1.0,) * shape[0])
    data = DataDescription(
        channels=channels, shape=shape, scaling=scaling, stored=card.stored_as(), card=card
    )
    return Split(path, path.parent, data, None, parts)
