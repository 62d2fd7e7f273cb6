"""Windows of a segment, and the number of unused frames."""

import pytest

from simvp.data.windows import num_unused, window_starts


@pytest.mark.parametrize(
    ("num_frames", "window", "stride", "starts", "unused"),
    [
        (8, 5, 1, [0, 1, 2, 3], 0),
        (8, 5, 3, [0, 3], 0),
        (8, 5, 2, [0, 2], 1),
        (8, 5, 5, [0], 3),
        (20, 20, 10, [0], 0),
        (35, 20, 10, [0, 10], 5),
        (4, 5, 1, [], 4),
        (9, 2, 4, [0, 4], 5),  # frames between windows are unused as well
    ],
)
def test_windows_of_a_segment(
    num_frames: int, window: int, stride: int, starts: list[int], unused: int
) -> None:
    assert list(window_starts(num_frames, window, stride)) == starts
    assert num_unused(num_frames, window, stride) == unused
