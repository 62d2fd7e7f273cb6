"""Windows: the runs of consecutive frames of a segment that a network is given and forecasts.

A window never leaves its segment, so no frame is shared between the parts of a split.
"""


def window_starts(num_frames: int, window: int, stride: int) -> range:
    """First frames of the windows within a segment.

    Of 8 frames, windows of 5 start at 0, 1, 2, 3 with stride 1, and at 0 and 3 with stride 3.
    """
    return range(0, num_frames - window + 1, stride)


def num_unused(num_frames: int, window: int, stride: int) -> int:
    """Number of frames of a segment that are in no window.

    Of 8 frames, windows of 5 leave none with stride 1, and 3 with stride 5.
    """
    starts = window_starts(num_frames, window, stride)
    used = len(starts) * window if stride >= window else starts[-1] + window if starts else 0
    return num_frames - used
