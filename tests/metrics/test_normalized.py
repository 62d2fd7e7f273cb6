"""VRMSE against numpy."""

import math

import numpy as np
import pytest
import torch

from simvp.metrics import Comparison
from simvp.metrics.normalized import vrmse


def test_vrmse_of_the_mean_is_1_and_of_half_the_deviation_is_a_half() -> None:
    rng = np.random.default_rng(0)
    true = torch.from_numpy(rng.normal(3, 5, (2, 3, 2, 8, 9)))
    mean = true.mean(dim=(-2, -1), keepdim=True)
    cells = 8 * 9
    expected = math.sqrt((cells - 1) / cells)  # the variance has ddof 1
    found = vrmse(Comparison.of(mean.expand_as(true), true))
    torch.testing.assert_close(found, torch.full((2, 3, 2), expected).double(), rtol=1e-6, atol=0)
    half = vrmse(Comparison.of(mean + (true - mean) / 2, true))
    torch.testing.assert_close(half, found / 2)


def test_vrmse_leaves_out_missing_values() -> None:
    """The same as of the known values alone."""
    rng = np.random.default_rng(1)
    true, pred = (torch.from_numpy(rng.random((1, 1, 1, 8, 9))) for _ in range(2))
    holed = true.clone()
    holed[..., :3, :] = torch.nan
    found = vrmse(Comparison.of(pred, holed))
    known, forecast = true[0, 0, 0, 3:].numpy(), pred[0, 0, 0, 3:].numpy()
    expected = np.sqrt(((forecast - known) ** 2).mean() / (known.var(ddof=1) + 1e-7))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_vrmse_of_a_constant_frame_is_not_defined() -> None:
    true = torch.zeros(1, 2, 1, 8, 9)
    true[0, 1, 0, 4, 4] = 1
    found = vrmse(Comparison.of(true + 0.1, true))[0, :, 0]
    assert found[0].isnan() and found[1].isfinite()
