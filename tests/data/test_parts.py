"""Assignment of frames to training, validation and test."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import write_sample

from simvp.data import Segment, open_source
from simvp.data.parts import as_given, by_series, by_time, part_sizes
from simvp.errors import DataError

RATIOS = [0.7, 0.15, 0.15]


@pytest.mark.parametrize(
    ("count", "ratios", "sizes"),
    [
        (100, RATIOS, [70, 15, 15]),
        (11, RATIOS, [8, 1, 2]),
        (6, RATIOS, [4, 1, 1]),
        (3, RATIOS, [1, 1, 1]),  # at least one each
        (103, [0.5, 0.5, 0.0], [51, 52, 0]),  # sizes add up
        (7, [0.8, 0.2, 0.0], [6, 1, 0]),
        (2, RATIOS, [1, 1, 0]),
    ],
)
def test_part_sizes(count: int, ratios: list[float], sizes: list[int]) -> None:
    assert part_sizes(count, ratios) == sizes


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    for index in range(6):
        write_sample(tmp_path / f"run_{index}", index, frames=10 + index)
    return [Segment(series, 0, series.length) for series in open_source(tmp_path).series]


def ids(part: list[Segment]) -> list[str]:
    return [segment.series.id for segment in part]


def test_whole_series_in_the_given_order(segments: list[Segment]) -> None:
    train, validation, test = by_series(segments, RATIOS)
    assert ids(train) == ["run_0", "run_1", "run_2", "run_3"]
    assert (ids(validation), ids(test)) == (["run_4"], ["run_5"])
    with pytest.raises(DataError, match="2 samples are too few .* --by time"):
        by_series(segments[:2], RATIOS)


def test_ranges_of_time_share_no_frame(segments: list[Segment]) -> None:
    parts = by_time(segments[:2], RATIOS, 1)
    assert [[segment.frames for segment in part] for part in parts] == [
        [range(0, 6), range(0, 6)],
        [range(7, 8), range(7, 8)],
        [range(9, 10), range(9, 11)],
    ]
    with pytest.raises(DataError, match="run_0: has 10 frames, too few for 3 parts with gaps of 4"):
        by_time(segments, RATIOS, 4)


def test_reversed_segments_are_cut_in_their_own_order(segments: list[Segment]) -> None:
    backwards = Segment(segments[0].series, 9, -1, -1)
    train, validation, test = by_time([backwards], RATIOS, 0)
    assert list(train[0].frames) == [9, 8, 7, 6, 5, 4, 3]
    assert list(validation[0].frames) + list(test[0].frames) == [2, 1, 0]


def test_given_parts_are_kept(segments: list[Segment]) -> None:
    given = {"train": ("run_4", "run_1"), "validation": ("run_0",), "test": ("run_2",)}
    assert [ids(part) for part in as_given(segments, given, RATIOS)] == [
        ["run_4", "run_1"],
        ["run_0"],
        ["run_2"],
    ]
    without = {"train": ("run_0", "run_1", "run_2", "run_3"), "test": ("run_5",)}
    train, validation, test = as_given(segments, without, RATIOS)
    assert (ids(train), ids(validation), ids(test)) == (
        ["run_0", "run_1", "run_2"],
        ["run_3"],
        ["run_5"],
    )


def test_record_with_gaps_is_cut_as_a_whole(segments: list[Segment]) -> None:
    """Three pieces of one record, of 10, 11 and 12 frames: 23, 5 and 5 frames in order of time."""
    pieces = [
        Segment(replace(segment.series, record="run"), 0, segment.series.length)
        for segment in segments[:3]
    ]
    found = [
        [(segment.series.id, segment.frames) for segment in part]
        for part in by_time([pieces[2], pieces[0], pieces[1]], RATIOS, 0)
    ]
    assert found == [
        [("run_0", range(10)), ("run_1", range(11)), ("run_2", range(2))],
        [("run_2", range(2, 7))],
        [("run_2", range(7, 12))],
    ]


def test_pieces_of_a_record_stay_together(segments: list[Segment]) -> None:
    records = ["a", "b", "a", "c", "b", "a"]
    pieces = [
        Segment(replace(segment.series, record=record), 0, segment.series.length)
        for segment, record in zip(segments, records, strict=True)
    ]
    found = [ids(part) for part in by_series(pieces, RATIOS)]
    assert found == [["run_0", "run_2", "run_5"], ["run_1", "run_4"], ["run_3"]]
