"""Split files: which segments of which series train, validate and test."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simvp.data import split_v1
from simvp.data.card import CARD_NAME, DatasetCard, Stored, read_card
from simvp.data.scaling import Scaling, Statistics
from simvp.data.series import Segment, Series, Source
from simvp.data.source import open_source
from simvp.data.sources.frames import FrameSeries, open_frame
from simvp.data.split_records import PARTS, SUFFIX, SegmentRecord, SplitRecord
from simvp.errors import DataError

_MAKE_ANOTHER = "make another split with `simvp split`"


@dataclass(frozen=True)
class Split:
    """What a split file says about a data set.

    Attributes:
        path: the split file.
        card: data card of the source.
        channels, shape: names of the channels, and (C, H, W) of a frame.
        scaling: the physical values that the network's 0 and 1 stand for.
        stored: whether the files hold physical or scaled values.
        statistics: of the training part, in physical units; None in files of version 1.
        parts: the segments of each part.
    """

    path: Path
    card: DatasetCard
    channels: tuple[str, ...]
    shape: tuple[int, int, int]
    scaling: Scaling
    stored: Stored
    statistics: Statistics | None
    parts: dict[str, list[Segment]]

    def segments(self, part: str) -> list[Segment]:
        """The segments of "train", "validation" or "test".

        Raises: KeyError for another name; DataError if the part is empty.
        """
        if not self.parts[part]:
            raise DataError(f"{self.path}: has no {part} samples; {_MAKE_ANOTHER}")
        return self.parts[part]

    def check_scaling(self) -> None:
        """Raises DataError if the data card now contradicts how the data were read and scaled."""
        contradicts = self.card != DatasetCard() and self.card.stored_as() != self.stored
        for name, low, high in zip(self.channels, self.scaling.low, self.scaling.high, strict=True):
            card = self.card.channel(name)
            contradicts |= card.low not in (None, low) or card.high not in (None, high)
        if contradicts:
            raise DataError(
                f"{self.path}: was made with other values of `stored`, `low` or `high` than the "
                f"data card has now; {_MAKE_ANOTHER}"
            )


def newest_split(folder: Path) -> Path:
    """The split file in a folder that was written last. Raises DataError if there is none."""
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise DataError(
            f"{folder}: contains no split file (*{SUFFIX}); make one with "
            f"`simvp split --data-path {folder}`, or give one with --data"
        )
    return found[-1]


def find_split(split: str, data_path: str) -> Path:
    """The split file that `data.split` names; without a name the newest one in `data.path`.

    Raises: DataError if there is none.
    """
    return Path(split) if split else newest_split(Path(data_path))


def read_split(path: str | Path) -> Split:
    """Read a split file of this version, of version 1 or of the old scripts.

    Args:
        path: the split file, or a data folder, whose newest split file is read.
    Raises: DataError if it is not one, or does not fit the data that it names; ConfigError if the
        data card is not valid.
    """
    path = newest_split(Path(path)) if Path(path).is_dir() else Path(path)
    record = _read_json(path)
    if "format" not in record:
        return _from_lists(path, record)
    if isinstance(record["format"], int) and record["format"] > 2:
        raise DataError(f"{path}: was written by a newer version of simvp; {_MAKE_ANOTHER}")
    try:
        content = SplitRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "split"
        reason = problem["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: {where}: {reason}; {_MAKE_ANOTHER}") from None
    return _from_record(path, content)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such split file; make one with `simvp split`"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is not a split file: not JSON ({error}); {_MAKE_ANOTHER}"
        ) from None
    if not isinstance(record, dict):
        raise DataError(f"{path}: is not a split file: expected a JSON object; {_MAKE_ANOTHER}")
    return record


def _from_record(path: Path, record: SplitRecord) -> Split:
    source = open_source(
        path.parent / record.source.path, variables=record.source.variables, axes=record.source.axes
    )
    found = (source.kind, *source.shape)
    if found != (record.source.kind, *record.shape):
        raise DataError(
            f"{source.path}: format and shape of the frames have changed since {path.name} was "
            f"written (now {', '.join(map(str, found))}); restore them, or {_MAKE_ANOTHER}"
        )
    channels, stored = tuple(record.channels), record.source.stored
    scaling = Scaling(tuple(record.scaling.low), tuple(record.scaling.high))
    if stored == "scaled":  # the card gives the units, and may have been corrected since
        scaling = source.card.stored_scaling(channels) or scaling
    series = {
        item.id: replace(
            item, channels=channels, stored_scaling=scaling if stored == "scaled" else None
        )
        for item in source.series
    }
    parts = {
        name: [_segment(path, source, series, item) for item in getattr(record, name).segments]
        for name in PARTS
    }
    _check_disjoint(path, parts)
    return Split(
        path=path,
        card=source.card,
        channels=channels,
        shape=source.shape,
        scaling=scaling,
        stored=stored,
        statistics=Statistics(**{k: tuple(v) for k, v in record.statistics}),
        parts=parts,
    )


def _segment(
    path: Path, source: Source, series: dict[str, Series], record: SegmentRecord
) -> Segment:
    if record.series not in series:
        raise DataError(
            f"{source.path / record.series}: is listed in {path.name}, but there is no such "
            f"sample; restore it, or {_MAKE_ANOTHER}"
        )
    return Segment(
        series[record.series], record.start, record.stop, record.step, record.fingerprint
    )


def _check_disjoint(path: Path, parts: dict[str, list[Segment]]) -> None:
    """Raises DataError if a frame is listed twice."""
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
    """The split of a file of version 1: the values of its frames are within [0, 1]."""
    listed = split_v1.parse(path, record, PARTS)
    first = next(sample for samples in listed.values() for sample in samples)
    array = open_frame(first.frames[0])
    shape = array.shape if array.ndim == 3 else (1, *array.shape)
    card = read_card(path.parent)
    channels = card.channel_names(shape[0], path.parent / CARD_NAME)
    stored_scaling = card.stored_scaling(channels)
    parts = {
        name: [
            Segment(
                FrameSeries(
                    id=sample.id,
                    channels=channels,
                    shape=shape,
                    stored_scaling=stored_scaling,
                    folder=Path(sample.frames[0]).parent,
                    listed=sample.frames,
                    checksums=sample.checksums,
                ),
                0,
                len(sample.frames),
            )
            for sample in samples
        ]
        for name, samples in listed.items()
    }
    unit = Scaling((0.0,) * len(channels), (1.0,) * len(channels))
    return Split(
        path=path,
        card=card,
        channels=channels,
        shape=shape,
        scaling=stored_scaling or unit,
        stored=card.stored_as(),
        statistics=None,
        parts=parts,
    )
