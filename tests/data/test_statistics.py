"""Statistics of a data set from those of its pieces, compared with NumPy on all values."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pytest

from simvp.data import statistics
from simvp.data.scaling import Statistics
from simvp.data.statistics import Moments, moments, sample_stride, sampled, to_statistics

RNG = np.random.default_rng(0)
CELLS = (0, 2, 3)  # all axes but the channels


def statistics_of(pieces: Sequence[np.ndarray], stride: int = 1) -> Statistics:
    """The statistics of pieces (T, C, H, W)."""
    found, samples = [], []
    for seed, piece in enumerate(pieces):
        low, high = np.fmin.reduce(piece, axis=CELLS), np.fmax.reduce(piece, axis=CELLS)
        found.append(moments(piece, low, high))
        samples.append(sampled(piece, stride, np.random.default_rng(seed)))
    return to_statistics(reduce(Moments.merged, found), np.concatenate(samples, axis=1))


@pytest.mark.parametrize("block", [2**16, 200, 1], ids=["one-block", "frames", "cells"])
def test_statistics_of_pieces_equal_those_of_all_values(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """With a mean far from 0, for which a sum of squares is inaccurate."""
    monkeypatch.setattr(statistics, "_BLOCK", block)
    pieces = [RNG.normal(1e4, 0.01, (n, 2, 8, 9)).astype(np.float32) for n in (3, 1, 5)]
    found, values = statistics_of(pieces), np.concatenate(pieces).astype(np.float64)
    np.testing.assert_array_equal(found.low, values.min(axis=CELLS))
    np.testing.assert_array_equal(found.high, values.max(axis=CELLS))
    np.testing.assert_allclose(found.mean, values.mean(axis=CELLS), rtol=1e-12)
    np.testing.assert_allclose(found.std, values.std(axis=CELLS), rtol=1e-9)
    assert found.missing == (0.0, 0.0)


@pytest.mark.parametrize("block", [2**16, 50])
def test_missing_values_are_left_out(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """One channel is missing in the first piece altogether."""
    monkeypatch.setattr(statistics, "_BLOCK", block)
    pieces = [RNG.normal(3, 2, (n, 2, 5, 7)).astype(np.float32) for n in (2, 4)]
    pieces[0][:, 1] = np.nan
    pieces[1][RNG.random(pieces[1].shape) < 0.3] = np.nan
    found, values = statistics_of(pieces), np.concatenate(pieces).astype(np.float64)
    np.testing.assert_array_equal(found.low, np.nanmin(values, axis=CELLS))
    np.testing.assert_array_equal(found.high, np.nanmax(values, axis=CELLS))
    np.testing.assert_allclose(found.mean, np.nanmean(values, axis=CELLS), rtol=1e-12)
    np.testing.assert_allclose(found.std, np.nanstd(values, axis=CELLS), rtol=1e-12)
    np.testing.assert_allclose(found.missing, np.isnan(values).mean(axis=CELLS))
    np.testing.assert_allclose(found.low_quantile, np.nanquantile(values, 0.001, axis=CELLS))
    np.testing.assert_allclose(found.high_quantile, np.nanquantile(values, 0.999, axis=CELLS))


def test_channel_without_values_has_no_statistics() -> None:
    frames = np.ones((2, 2, 5, 7), np.float32)
    frames[:, 1] = np.nan
    found = statistics_of([frames])
    np.testing.assert_array_equal(found.low, [1, np.nan])
    np.testing.assert_array_equal(found.mean, [1, np.nan])
    assert found.missing == (0.0, 1.0)


def test_constant_channel_has_no_spread() -> None:
    found = statistics_of([np.full((2, 1, 5, 7), 0.1, np.float32)] * 3)
    assert found.std == (0.0,) and found.low == found.high == found.low_quantile == found.mean


def test_few_values_are_all_in_the_sample() -> None:
    frames = RNG.random((3, 2, 5, 7), dtype=np.float32)
    assert sample_stride(3 * 5 * 7) == 1
    sample = sampled(frames, 1, RNG)
    np.testing.assert_array_equal(sample, frames.swapaxes(0, 1).reshape(2, -1))


def test_sample_of_many_values_is_bounded_and_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value is drawn at most once, with the same probability everywhere in a frame."""
    monkeypatch.setattr(statistics, "NUM_SAMPLED", 5000)
    frames = np.arange(60 * 11 * 13, dtype=np.float32).reshape(60, 1, 11, 13)
    stride = sample_stride(frames.size)
    drawn = [sampled(frames, stride, np.random.default_rng([0, k])) for k in range(100)]
    counts = np.bincount(np.concatenate(drawn, axis=1)[0].astype(int), minlength=frames.size)
    assert max(sample.shape[1] for sample in drawn) <= 5000
    assert all(len(np.unique(sample)) == sample.shape[1] for sample in drawn)
    expected = 100 / stride
    assert abs(counts.mean() - expected) < 0.02 * expected
    by_cell = counts.reshape(60, -1).mean(axis=0)
    assert abs(by_cell / expected - 1).max() < 0.2  # five standard deviations
    again = sampled(frames, stride, np.random.default_rng([0, 7]))
    np.testing.assert_array_equal(again, drawn[7])
    assert not np.array_equal(drawn[6], drawn[7])


def test_sampled_values_are_of_the_same_cells_in_all_channels() -> None:
    cells = np.arange(4 * 5 * 7, dtype=np.float32).reshape(4, 1, 5, 7)
    frames = np.concatenate([cells, cells + 1000, cells + 2000], axis=1)
    sample = sampled(frames, 4, RNG)
    assert sample.shape == (3, 35)
    np.testing.assert_array_equal(sample, sample[0] + np.array([[0], [1000], [2000]]))


def test_quantiles_of_a_sample_are_close_to_those_of_all_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million of four million values: 0.1 % is estimated to within 0.01 %, as counted here."""
    pieces = [RNG.normal(0, 1, (16, 1, 256, 256)).astype(np.float32) for _ in range(4)]
    stride = sample_stride(4 * 16 * 256 * 256)
    assert stride == 5
    found, values = statistics_of(pieces, stride), np.concatenate(pieces)
    assert np.mean(values < found.low_quantile[0]) == pytest.approx(0.001, abs=1e-4)
    assert np.mean(values > found.high_quantile[0]) == pytest.approx(0.001, abs=1e-4)
    assert found.high == (values.max(),)  # the range is not estimated
