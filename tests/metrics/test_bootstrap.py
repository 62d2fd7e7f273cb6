"""Bootstrap intervals against scipy."""

import numpy as np
import pytest
import scipy.stats

from simvp.metrics.bootstrap import interval


def test_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).exponential(2, 40)
    low, high = interval(values, [str(i) for i in range(40)]) or (0, 0)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    width = reference.high - reference.low
    assert low == pytest.approx(reference.low, abs=0.06 * width)
    assert high == pytest.approx(reference.high, abs=0.06 * width)


def test_windows_of_one_series_are_drawn_together() -> None:
    """Ten equal windows of each series say no more than one."""
    once, blocks = np.array([1.0, 2.0, 4.0]), ["a", "b", "c"]
    assert interval(np.repeat(once, 10), [b for b in blocks for _ in range(10)]) == interval(
        once, blocks
    )
    assert interval(once, ["a"] * 3) is None


def test_values_that_are_not_finite_are_left_out_of_an_interval() -> None:
    values = np.array([1.0, np.inf, 2.0, 4.0, np.nan])
    assert interval(values, list("abcde")) == interval(np.array([1.0, 2.0, 4.0]), list("acd"))
