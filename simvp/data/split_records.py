"""The content of a split file, format 2."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simvp.config.section import Section
from simvp.data.card import Stored
from simvp.data.checksums import DIGITS
from simvp.data.scaling import Scaling, Statistics
from simvp.data.series import Options
from simvp.storage.files import publish_text

PARTS = ("train", "validation", "test")
SUFFIX = "_loaders.json"

Names = tuple[str, ...]


class SegmentRecord(Section):
    """The frames range(start, stop, step) of a series."""

    series: str
    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(ge=-1)]
    step: int = 1
    fingerprint: str = ""

    @model_validator(mode="after")
    def _fits_frames(self) -> Self:
        if len(self.fingerprint) not in (0, DIGITS * len(range(self.start, self.stop, self.step))):
            raise ValueError(f"fingerprint has {len(self.fingerprint)} digits, not 8 per frame")
        return self


class PartRecord(Section):
    """A part: its share of the series when the split was made, and its segments."""

    ratio: float = 0.0
    segments: list[SegmentRecord] = []


class SourceRecord(Section):
    """How to open the data; `path` is relative to the split file."""

    kind: str
    path: str
    stored: Stored
    variables: Names | None = None
    inputs: Names = ()
    static: Names = ()
    axes: str | None = None
    level: str | None = None
    crop: str | None = None
    resize: str | None = None

    @property
    def options(self) -> Options:
        return Options(**{field.name: getattr(self, field.name) for field in fields(Options)})


class SplitRecord(Section):
    """The whole file; scaling and statistics are of the training part, in physical units."""

    format: Literal[2] = 2
    source: SourceRecord
    channels: tuple[str, ...]
    shape: tuple[int, int, int]
    inputs: Names = ()
    scaling: Scaling
    statistics: Statistics
    train: PartRecord = PartRecord()
    validation: PartRecord = PartRecord()
    test: PartRecord = PartRecord()
    id: str = ""

    @model_validator(mode="after")
    def _fits_channels(self) -> Self:
        if len(self.scaling.low) != len(self.channels):
            raise ValueError(f"{len(self.scaling.low)} scalings for {len(self.channels)} channels")
        num_forecast = len(self.channels) - len(self.inputs)
        if num_forecast < 1 or self.channels[num_forecast:] != self.inputs:
            raise ValueError(f"inputs {self.inputs} are not the last of channels {self.channels}")
        return self

    def write(self, folder: Path) -> Path:
        """Write the file to a folder, named by the hash of its content. Raises OutputError."""
        content = {"format": 2, **self.model_dump(mode="json", exclude_defaults=True)}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        path = folder / f"{digest}{SUFFIX}"
        publish_text(path, json.dumps({"id": digest, **content}, indent=1) + "\n")
        return path
