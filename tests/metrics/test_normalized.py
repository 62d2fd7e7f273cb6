"""VRMSE against numpy."""

import math

import numpy as np
import pytest
import torch

from simvp.metrics import Comparison, Domain, Truth, scores
from simvp.metrics.normalized import nrmse, vrmse


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


def test_nrmse_is_relative_to_the_physical_values() -> None:
    """In kelvin the same error is relatively smaller than in degrees Celsius."""
    rng = np.random.default_rng(2)
    pred, true = rng.random((2, 2, 3, 2, 6, 8))
    low, span = np.array([-10.0, 250.0]), np.array([40.0, 2.0])
    domain = Domain(low=tuple(low), span=tuple(span))
    truth = Truth.of(torch.from_numpy(true), domain)
    found = nrmse(Comparison.of(torch.from_numpy(pred), truth))
    p, t = (values * span[:, None, None] + low[:, None, None] for values in (pred, true))
    expected = np.sqrt(((p - t) ** 2).mean(axis=(-2, -1)) / (t**2).mean(axis=(-2, -1)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_nrmse_of_zeros_is_not_defined() -> None:
    true = torch.zeros(1, 1, 1, 4, 5)
    assert nrmse(Comparison.of(true + 1, true)).isnan().all()


def test_area_weights_the_error_and_the_bias_of_a_channel() -> None:
    """By hand: errors of 1, 2 and 3 in rows with areas 0.5, 1 and 1.5."""
    error = torch.tensor([1.0, 2, 3]).reshape(3, 1).expand(1, 1, 1, 3, 4)
    area = torch.tensor([[0.5], [1.0], [1.5]]).double()
    truth = Truth.of(torch.zeros(1, 1, 1, 3, 4), Domain(area=area))
    found = scores(error, truth, ["rmse_unit", "bias_unit"])
    assert float(found["bias_unit"]) == pytest.approx((0.5 + 2 + 4.5) / 3)
    assert float(found["rmse_unit"]) == pytest.approx(math.sqrt((0.5 + 4 + 13.5) / 3))
