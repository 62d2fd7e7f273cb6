"""Frames that two parts share: found, compared and described."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import MemorySeries

from simvp.data import Segment
from simvp.data.checksums import checksums_of
from simvp.data.copies import Copies, SharedFrames, find_copies

RNG = np.random.default_rng(0)


def random_frames(num_frames: int) -> np.ndarray:
    return RNG.random((num_frames, 2, 5, 7), dtype=np.float32)


def copies(*parts: dict[str, np.ndarray]) -> Copies:
    """What is found in training, validation and test series, given by id."""
    segments = [
        [Segment(MemorySeries.of(name, frames), 0, len(frames)) for name, frames in part.items()]
        for part in parts
    ]
    frames = np.concatenate([frames for part in parts for frames in part.values()])
    constant = (frames == frames[..., :1, :1]).all(axis=(1, 2, 3))
    return find_copies(segments, checksums_of(frames), constant)


def test_distinct_frames_are_not_reported() -> None:
    found = copies({"a": random_frames(6)}, {"b": random_frames(3)}, {"c": random_frames(4)})
    assert found == Copies([], 0) and found.warnings() == []


def test_copied_sample_is_reported_once() -> None:
    frames = random_frames(6)
    found = copies({"x": random_frames(4), "a": frames}, {"y": random_frames(3)}, {"b": frames})
    assert found.found == [
        SharedFrames(("training", "test"), ("a", "b"), ((0, 1, 2), (0, 1, 2)), num_more=3)
    ]
    assert found.warnings() == [
        "warning: frames 0, 1, 2 of a (training) equal frames 0, 1, 2 of b (test); 3 more of "
        "their frames are equal",
        "frames that are in two parts make scores too good; remove the copies",
    ]


def test_one_copied_frame_is_reported() -> None:
    a, b = random_frames(6), random_frames(4)
    b[2] = a[5]
    found = copies({"a": a}, {"b": b}, {"c": random_frames(3)})
    assert found.warnings()[0] == (
        "warning: frame 5 of a (training) equals frame 2 of b (validation)"
    )


def test_copies_between_validation_and_test_are_reported() -> None:
    frames = random_frames(2)
    found = copies({"a": random_frames(6)}, {"b": frames}, {"c": frames})
    (shared,) = found.found
    assert shared.parts == ("validation", "test") and shared.num_more == 0


def test_copy_in_reversed_time_is_reported() -> None:
    frames = random_frames(5)
    found = copies({"a": frames}, {"b": random_frames(3)}, {"c": frames[::-1].copy()})
    (shared,) = found.found
    assert shared.frames == ((4, 3, 2), (0, 1, 2)) and shared.num_more == 2


def test_frames_are_numbered_within_their_series() -> None:
    """Also where a segment is a part of it, in steps."""
    series = MemorySeries.of("a", random_frames(20))
    other = MemorySeries.of("b", np.concatenate([random_frames(3), series.frames[6:7]]))
    parts = [[Segment(series, 2, 11, 2)], [Segment(other, 3, -1, -1)], []]
    frames = np.concatenate([s.read_stored(0, len(s.frames)) for part in parts for s in part])
    found = find_copies(parts, checksums_of(frames), np.zeros(len(frames), bool))
    assert found.found[0].frames == ((6,), (3,))


def test_copies_within_a_part_are_not_reported() -> None:
    frames = random_frames(5)
    found = copies({"a": frames, "b": frames}, {"c": random_frames(3)}, {"d": random_frames(3)})
    assert found.found == []


def test_constant_frames_are_not_reported() -> None:
    """As radar images without rain are; a copy of another frame still is."""
    a, b = random_frames(6), random_frames(6)
    a[1:4], b[2:5] = 0, 0
    b[5] = a[5]
    found = copies({"a": a}, {"b": b}, {"c": np.zeros_like(a)})
    assert [shared.frames for shared in found.found] == [((5,), (5,))]


def test_missing_values_count_as_equal() -> None:
    frames = random_frames(2)
    frames[:, :, 2:, 3:] = np.nan
    (shared,) = copies({"a": frames}, {"b": random_frames(3)}, {"c": frames.copy()}).found
    assert shared.frames == ((0, 1), (0, 1))


def test_equal_checksums_of_different_frames_are_not_reported() -> None:
    parts = [[Segment(MemorySeries.of(n, random_frames(2)), 0, 2)] for n in "abc"]
    checksums = np.array([1, 2, 3, 2, 5, 6], np.uint32)
    assert find_copies(parts, checksums, np.zeros(6, bool)) == Copies([], 0)


def test_copies_of_many_samples_take_few_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[tuple[int, int]] = []
    read = MemorySeries.read_stored

    def record(self: MemorySeries, start: int, stop: int, step: int = 1) -> np.ndarray:
        readings.append((start, stop))
        return read(self, start, stop, step)

    monkeypatch.setattr(MemorySeries, "read_stored", record)
    originals = {f"a{i}": random_frames(9) for i in range(130)}
    duplicates = {name.replace("a", "b"): frames for name, frames in originals.items()}
    found = copies(originals, {"v": random_frames(3)}, duplicates)
    assert (len(found.found), found.num_unknown) == (100, 30)
    assert len(readings) == 100 * 3 * 2 and {stop - start for start, stop in readings} == {1}
    assert found.warnings()[-2] == "warning: up to 125 more pairs of samples share frames"


def test_pairs_with_most_shared_frames_come_first() -> None:
    a, b, c = random_frames(4), random_frames(4), random_frames(4)
    b[0], c[1:] = a[0], a[1:]
    found = copies({"a": a}, {"b": b}, {"c": c})
    assert [shared.series for shared in found.found] == [("a", "c"), ("a", "b")]
    many = Copies([replace(found.found[0], num_more=0)] * 8, 0)
    assert many.warnings()[-2] == "warning: 3 more pairs of samples share frames"
