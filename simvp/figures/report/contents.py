"""What a report shows. `page.py` turns it into HTML and escapes all text.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvp.figures.report.charts import Chart
from simvp.progress import Table

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Coordinate:
    """A coordinate of rows ("y"), of columns ("x") or of cells ("yx").

    Attributes:
        values: (H,), (W,) or (H, W).
    """

    name: str
    unit: str
    axes: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class ViewedSample:
    """A sample with its frames in physical units; NaN where a value is missing.

    Attributes:
        name: what to call the sample.
        label: what the sample is an example of, such as "best"; empty for any other.
        inputs, truth: (T_in, C, H, W) and (T, C, H, W).
        forecasts: (T, C, H, W) of each run.
        times: of each input and forecast frame; empty if not known.
    """

    id: str
    name: str
    label: str
    inputs: Frames
    truth: Frames
    forecasts: Sequence[Frames]
    times: Sequence[str] = ()


@dataclass(frozen=True)
class Viewer:
    """The samples to look at.

    Attributes:
        runs: names of the runs, that of the report first.
        channels: name and unit of each.
        origin: "lower" if row 0 is drawn at the bottom.
        stride: only every so many rows and columns are contained.
        shape: height and width of the whole grid.
        cmap: the colour map to begin with.
        fps: frames per second.
    """

    samples: Sequence[ViewedSample]
    runs: Sequence[str]
    channels: Sequence[tuple[str, str]]
    coordinates: Sequence[Coordinate]
    origin: str
    stride: int
    shape: tuple[int, int]
    cmap: str
    fps: float


@dataclass(frozen=True)
class SampleTable:
    """The scores of all test samples.

    Attributes:
        ids: of the samples.
        names: what to call them.
        scores: of each sample, None where a score is not defined; by name and run.
    """

    ids: Sequence[str]
    names: Sequence[str]
    scores: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Section:
    """Charts under a heading, and remarks on them."""

    heading: str
    charts: Sequence[Chart]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Trials:
    """The recipes that were tried, a row for each, and which one was chosen and why."""

    table: Table
    choice: str


@dataclass(frozen=True)
class Page:
    """The whole report.

    Attributes:
        summary: what was trained on what, in a line or two.
        verdict: whether the forecast is of use.
        highlights: a few numbers, each with what it is and a remark.
        scores: a table of scores.
        channels: one for each channel, with its name.
        lead_time, spectra, training: charts.
        trials: None if no recipes were tried.
        facts: label and text of each fact about the run.
        data: tables of the data set, with their captions.
        settings: those that differ from their defaults.
        commands: how to reproduce the run.
        notes: what the viewer does not contain.
        created: with what the page was made.
    """

    title: str
    summary: str
    verdict: str
    is_warning: bool
    highlights: Sequence[tuple[str, str, str]]
    scores: Table
    channels: Sequence[tuple[str, Table]]
    remarks: Sequence[str]
    lead_time: Section
    spectra: Section
    training: Section
    trials: Trials | None
    samples: SampleTable
    viewer: Viewer
    facts: Sequence[tuple[str, str]]
    data: Sequence[tuple[str, Table]]
    settings: Table
    commands: Sequence[str]
    notes: Sequence[str]
    created: str
