"""The content of a split file, format 2, and writing it."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from simvp.config.sections import Section
from simvp.data.card import Stored
from simvp.data.scaling import Scaling, Statistics
from simvp.data.series import Segment, Source
from simvp.storage.files import publish_text

PARTS = ("train", "validation", "test")
SUFFIX = "_loaders.json"


class SegmentRecord(Section):
    """The frames range(start, stop, step) of a series."""

    series: str
    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(ge=-1)]
    step: int = 1
    fingerprint: str = ""


class PartRecord(Section):
    """A part: its share of the series when the split was made, and its segments."""

    ratio: float
    segments: list[SegmentRecord]


class SourceRecord(Section):
    """How to open the data; `path` is relative to the split file."""

    kind: str
    path: str
    stored: Stored
    variables: list[str] | None = None
    axes: str | None = None


class ScalingRecord(Section):
    """`Scaling` in physical units."""

    low: list[float]
    high: list[float]

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if len(self.low) != len(self.high):
            raise ValueError(f"{len(self.low)} values for low, but {len(self.high)} for high")
        for low, high in zip(self.low, self.high, strict=True):
            if low >= high:
                raise ValueError(f"low = {low:g} is not below high = {high:g}")
        return self


class StatisticsRecord(Section):
    """`Statistics` of the training part in physical units."""

    low: list[float]
    high: list[float]
    mean: list[float]
    std: list[float]


class SplitRecord(Section):
    """The whole file."""

    id: str
    format: Literal[2]
    source: SourceRecord
    channels: list[str]
    shape: tuple[int, int, int]
    scaling: ScalingRecord
    statistics: StatisticsRecord
    train: PartRecord = PartRecord(ratio=0.0, segments=[])
    validation: PartRecord = PartRecord(ratio=0.0, segments=[])
    test: PartRecord = PartRecord(ratio=0.0, segments=[])

    @model_validator(mode="after")
    def _fits_channels(self) -> Self:
        if len(self.scaling.low) != len(self.channels):
            raise ValueError(f"{len(self.scaling.low)} scalings for {len(self.channels)} channels")
        return self


def write_split(
    folder: Path,
    source: Source,
    *,
    ratios: Sequence[float],
    parts: Sequence[Sequence[Segment]],
    scaling: Scaling,
    statistics: Statistics,
    variables: Sequence[str] | None = None,
    axes: str | None = None,
) -> Path:
    """Write a split file, named by the hash of its content, to `folder`.

    Args:
        ratios, parts: share and segments of train, validation and test.
        scaling, statistics: of the training part, in physical units.
        variables, axes: as `source` was opened with.
    """
    source_record = SourceRecord(
        kind=source.kind,
        path=os.path.relpath(source.path, folder).replace(os.sep, "/"),
        stored=source.card.stored_as(),
        variables=None if variables is None else list(variables),
        axes=axes,
    )
    record: dict[str, Any] = {
        "format": 2,
        "source": source_record.model_dump(exclude_none=True),
        "channels": source.channels,
        "shape": source.shape,
        "scaling": asdict(scaling),
        "statistics": asdict(statistics),
    }
    for name, ratio, segments in zip(PARTS, ratios, parts, strict=True):
        record[name] = {"ratio": ratio, "segments": [_as_record(segment) for segment in segments]}
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    path = folder / f"{digest}{SUFFIX}"
    publish_text(path, json.dumps({"id": digest, **record}, indent=1) + "\n")
    return path


def _as_record(segment: Segment) -> dict[str, Any]:
    record = SegmentRecord(
        series=segment.series.id,
        start=segment.start,
        stop=segment.stop,
        step=segment.step,
        fingerprint=segment.fingerprint,
    )
    return record.model_dump(exclude_defaults=True)
