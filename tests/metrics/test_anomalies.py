"""Anomaly correlation against numpy."""

import numpy as np
import pytest
import torch

from simvp.metrics import SCORES, Domain, Truth, scores


def acc(pred: np.ndarray, true: np.ndarray, usual: np.ndarray, area: np.ndarray | None) -> float:
    domain = Domain(area=None if area is None else torch.from_numpy(area))
    truth = Truth.of(torch.from_numpy(true), domain, torch.from_numpy(usual))
    found = scores(torch.from_numpy(pred), truth, ["acc"])["acc"]
    return float(SCORES["acc"].combined(found.sum(dim=(0, 1))))


def test_averages_are_taken_before_dividing() -> None:
    rng = np.random.default_rng(0)
    pred, true, usual = rng.random((3, 2, 3, 1, 4, 5))
    p, t = pred - usual, true - usual
    expected = (p * t).mean() / np.sqrt((p**2).mean() * (t**2).mean())
    assert acc(pred, true, usual, None) == pytest.approx(expected, rel=1e-12)


def test_area_and_holes_weight_the_averages() -> None:
    """A frame's average is over its valid cells by area; each frame counts alike."""
    rng = np.random.default_rng(1)
    pred, true, usual = rng.random((3, 1, 2, 1, 3, 5))
    true[0, 0, 0, :2] = np.nan
    area = np.array([[0.5], [1.0], [1.5]])
    p, t = pred - usual, true - usual
    weight = np.broadcast_to(area, true.shape) * np.isfinite(true)
    means = [
        np.sum(weight * np.nan_to_num(product), axis=(-2, -1)) / weight.sum(axis=(-2, -1))
        for product in (p * t, p**2, t**2)
    ]
    covariance, of_pred, of_true = (mean.sum() for mean in means)
    expected = covariance / np.sqrt(of_pred * of_true)
    assert acc(pred, true, usual, area) == pytest.approx(expected, rel=1e-12)


def test_climatology_itself_has_no_anomaly() -> None:
    rng = np.random.default_rng(2)
    true, usual = rng.random((2, 1, 1, 1, 3, 5))
    assert np.isnan(acc(usual, true, usual, None))
    assert acc(true, true, usual, None) == pytest.approx(1)
    assert acc(2 * usual - true, true, usual, None) == pytest.approx(-1)
