"""The size of increments in the training part."""

import numpy as np
import pytest
from helpers import MemorySeries

from simvp.data import Segment
from simvp.data.batches import WindowDataset
from simvp.engine.increments import increment_scale


def windows(frames: np.ndarray, *, window: int, stride: int = 1) -> WindowDataset:
    segment = Segment(MemorySeries.of("run", frames.astype(np.float32)), 0, len(frames))
    return WindowDataset([segment], window=window, stride=stride, scaling=None, may_miss=True)


def test_scale_is_the_root_mean_square_of_the_known_increments() -> None:
    frames = np.random.default_rng(0).random((6, 3, 9, 11))
    frames[:, 1] = 0.5  # never changes
    frames[2, 0, :4] = np.nan
    found = increment_scale(windows(frames, window=3, stride=3), 2)
    of_windows = np.concatenate([np.diff(frames[:3], axis=0), np.diff(frames[3:], axis=0)])
    expected = np.sqrt(np.nanmean(of_windows[:, 0] ** 2))
    assert found == pytest.approx((expected, 1.0), rel=1e-6)


def test_many_windows_are_sampled_evenly() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(1000, 1, 7, 8)).cumsum(axis=0)
    (found,) = increment_scale(windows(frames, window=4), 1)
    assert found == pytest.approx(1.0, rel=0.02)
