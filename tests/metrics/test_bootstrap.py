"""Bootstrap intervals against scipy."""

import numpy as np
import pytest
import scipy.stats
import torch

from simvp.metrics import SCORES
from simvp.metrics.bootstrap import interval


def of_mean(values: np.ndarray, blocks: list[str]) -> tuple[float, float] | None:
    """The interval of the mean of values that are finite."""
    score = SCORES["mse"]
    found = interval(score.terms(torch.from_numpy(values)), blocks, score.combined)
    return None if found is None else (float(found[0]), float(found[1]))


def test_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).exponential(2, 40)
    low, high = of_mean(values, [str(i) for i in range(40)]) or (0, 0)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    width = reference.high - reference.low
    assert low == pytest.approx(reference.low, abs=0.06 * width)
    assert high == pytest.approx(reference.high, abs=0.06 * width)


def test_windows_of_one_series_are_drawn_together() -> None:
    """Ten equal windows of each series say no more than one."""
    once, blocks = np.array([1.0, 2.0, 4.0]), ["a", "b", "c"]
    assert of_mean(np.repeat(once, 10), [b for b in blocks for _ in range(10)]) == of_mean(
        once, blocks
    )
    assert of_mean(once, ["a"] * 3) is None


def test_values_that_are_not_finite_are_left_out_of_an_interval() -> None:
    values = np.array([1.0, np.inf, 2.0, 4.0, np.nan])
    assert of_mean(values, list("abcde")) == of_mean(np.array([1.0, 2.0, 4.0]), list("acd"))


def test_interval_of_a_ratio_of_sums_is_that_of_scipy() -> None:
    """Hits and events, pooled before they are divided."""
    rng = np.random.default_rng(2)
    events = rng.integers(1, 20, 50)
    hits = rng.binomial(events, 0.6)
    misses, none = events - hits, np.zeros(50)
    terms = torch.from_numpy(np.stack([hits, misses, none], axis=-1).astype(float))
    found = interval(terms, [str(i) for i in range(50)], SCORES["pod"].combined)
    reference = scipy.stats.bootstrap(
        (hits, events),
        lambda h, e, axis: h.sum(axis) / e.sum(axis),
        n_resamples=20_000,
        method="percentile",
        paired=True,
        rng=1,
    ).confidence_interval
    width = reference.high - reference.low
    assert found is not None
    assert float(found[0]) == pytest.approx(reference.low, abs=0.06 * width)
    assert float(found[1]) == pytest.approx(reference.high, abs=0.06 * width)


def test_intervals_of_many_scores_are_those_of_each() -> None:
    values = torch.from_numpy(np.random.default_rng(3).random((9, 2, 3)))
    blocks = list("aabbccdde")
    score = SCORES["mse"]
    found = interval(score.terms(values), blocks, score.combined)
    assert found is not None and found.shape == (2, 2, 3)
    alone = of_mean(values[:, 1, 2].numpy(), blocks)
    assert found[:, 1, 2].tolist() == pytest.approx(alone, rel=1e-12)
