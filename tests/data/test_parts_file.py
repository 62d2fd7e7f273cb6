"""Parts that the user lists."""

from pathlib import Path

import pytest
from helpers import write_sample

from simvp.data import Segment, open_source
from simvp.data.parts_file import listed
from simvp.errors import ConfigError

RATIOS = [0.7, 0.15, 0.15]


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    for index in range(6):
        write_sample(tmp_path / "data" / f"run_{index}", index, frames=10)
    return [Segment(series, 0, series.length) for series in open_source(tmp_path / "data").series]


def parts_of(folder: Path, text: str, segments: list[Segment]) -> list[list[tuple[str, range]]]:
    file = folder / "parts.toml"
    file.write_text(text)
    parts = listed(file, segments, RATIOS)
    return [[(segment.series.id, segment.frames) for segment in part] for part in parts]


def test_samples_are_listed_by_id_and_pattern(tmp_path: Path, segments: list[Segment]) -> None:
    text = "train = ['run_[12]', 'run_1']\nvalidation = ['run_5']\ntest = ['run_0']\n"
    whole = range(10)
    assert parts_of(tmp_path, text, segments) == [
        [("run_1", whole), ("run_2", whole)],
        [("run_5", whole)],
        [("run_0", whole)],
    ]


def test_without_validation_part_of_the_training_samples_validate(
    tmp_path: Path, segments: list[Segment]
) -> None:
    parts = parts_of(tmp_path, "train = ['run_[0-4]']\ntest = ['run_5']\n", segments)
    assert [len(part) for part in parts] == [4, 1, 1]


def test_periods_cut_every_sample(tmp_path: Path, segments: list[Segment]) -> None:
    text = "train = {stop = 4}\nvalidation = {start = 5, stop = 7}\ntest = {start = 7}\n"
    parts = parts_of(tmp_path, text, [segments[1], Segment(segments[2].series, 9, 2, -1)])
    assert parts == [
        [("run_1", range(4)), ("run_2", range(3, 2, -1))],
        [("run_1", range(5, 7)), ("run_2", range(6, 4, -1))],
        [("run_1", range(7, 10)), ("run_2", range(9, 6, -1))],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train = [", r"is not valid TOML: .*\nexpected train = \["),
        ("test = ['run_1']", r"train = .*: Field required"),
        ("train = ['run_1']\ntest = ['run_1']", "run_1 is in train and in test; list it once"),
        ("train = ['run_1']\ntest = ['wave']", "test: no sample matches 'wave'; samples are run_0"),
        ("train = ['run_1']\ntest = {start = 3}", "mixes lists of samples and periods"),
        ("train = {stop = 3}\ntest = {start = 3}", "has no period for validation"),
        (
            "train = {stop = 4}\nvalidation = {start = 3}\ntest = {start = 5}",
            "train and validation both have frame 3 of sample run_0",
        ),
        (
            "train = {stop = 4}\nvalidation = {start = 4}\ntest = {start = 10}",
            "no sample has frames in the period of test",
        ),
        ("train = {begin = 3}\nvalidation = []\ntest = []", "train"),
        ("trian = []\ntrain = ['run_1']\ntest = ['run_2']", "trian"),
    ],
)
def test_invalid_file_is_one_message(
    tmp_path: Path, segments: list[Segment], text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parts_of(tmp_path, text, segments)
