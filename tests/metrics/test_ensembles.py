"""Scores of ensembles against hand-computed numbers, a double loop and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from simvp import metrics
from simvp.metrics import Domain, Truth, scores

NAMES = ("crps", "spread", "spread_skill")


def of(pred: Tensor, true: Tensor | Truth) -> dict[str, Tensor]:
    """The three scores of each channel, (B, T, C)."""
    found = scores(pred, true, NAMES)
    return {
        name: metrics.SCORES[name].combined(metrics.SCORES[name].terms(values))
        for name, values in found.items()
    }


def test_scores_of_two_members_computed_by_hand() -> None:
    """Members 1 and 4, truth 2: CRPS (1 + 2) / 2 - 3 / 2 = 0, variance 4.5, mean 2.5."""
    members = torch.tensor([1.0, 4.0]).reshape(2, 1, 1, 1, 1, 1).expand(2, 1, 1, 1, 2, 3)
    found = of(members, torch.full((1, 1, 1, 2, 3), 2.0))
    assert float(found["crps"]) == pytest.approx(0.0, abs=1e-12)
    assert float(found["spread"]) == pytest.approx(math.sqrt(4.5))
    assert float(found["spread_skill"]) == pytest.approx(math.sqrt(4.5 * 3 / 2 / 0.25))


def test_crps_of_three_members_computed_by_hand() -> None:
    """Members 0, 1 and 5, truth 2: (2 + 1 + 3) / 3 - (1 + 4 + 5) / 3 / 2 = 1 / 3."""
    members = torch.tensor([5.0, 0.0, 1.0]).reshape(3, 1, 1, 1, 1, 1).expand(3, 1, 1, 1, 2, 3)
    found = of(members, torch.full((1, 1, 1, 2, 3), 2.0))
    assert float(found["crps"]) == pytest.approx(1 / 3)


def test_crps_is_that_of_a_double_loop_over_the_members() -> None:
    rng = np.random.default_rng(0)
    members, true = rng.normal(size=(5, 2, 3, 2, 7, 8)), rng.normal(size=(2, 3, 2, 7, 8))
    error = np.mean([np.abs(x - true) for x in members], axis=0)
    pairs = [np.abs(x - y) for i, x in enumerate(members) for j, y in enumerate(members) if i != j]
    expected = (error - np.mean(pairs, axis=0) / 2).mean(axis=(-2, -1))
    found = of(torch.from_numpy(members), torch.from_numpy(true))
    torch.testing.assert_close(found["crps"], torch.from_numpy(expected))
    variance = members.var(axis=0, ddof=1).mean(axis=(-2, -1))
    torch.testing.assert_close(found["spread"], torch.from_numpy(np.sqrt(variance)))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_expected_crps_of_normal_members_does_not_depend_on_their_number(count: int) -> None:
    """Closed form for the normal distribution: Gneiting and Raftery, J. Am. Stat. Assoc. 2007."""
    true, cells = 0.7, 400
    rng = np.random.default_rng(count)
    members = torch.from_numpy(rng.normal(size=(count, 1, 1, 1, cells, cells)))
    found = of(members, torch.full((1, 1, 1, cells, cells), true, dtype=torch.float64))
    density = math.exp(-(true**2) / 2) / math.sqrt(2 * math.pi)
    expected = true * math.erf(true / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi)
    assert float(found["crps"]) == pytest.approx(expected, abs=0.005)
    assert float(found["spread"]) == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_spread_and_error_agree_where_truth_and_members_are_of_one_distribution(
    count: int,
) -> None:
    drawn = np.random.default_rng(count).normal(3, 2, size=(count + 1, 1, 1, 1, 300, 300))
    members, true = torch.from_numpy(drawn[1:]), torch.from_numpy(drawn[0])
    assert float(of(members, true)["spread_skill"]) == pytest.approx(1, abs=0.01)


def test_missing_values_and_the_area_of_cells_count_as_in_other_scores() -> None:
    rng = np.random.default_rng(1)
    members, true = rng.random((4, 1, 2, 1, 6, 7)), rng.random((1, 2, 1, 6, 7))
    true[..., :2, 3:] = np.nan
    area = np.linspace(0.5, 1.5, 6)[:, None]
    weight = np.where(np.isnan(true), 0, area)
    pairs = [np.abs(x - y) for i, x in enumerate(members) for y in members[:i]]
    values = np.abs(members - true).mean(axis=0) - np.mean(pairs, axis=0) / 2
    expected = np.nansum(values * weight, axis=(-2, -1)) / weight.sum(axis=(-2, -1))
    truth = Truth.of(torch.from_numpy(true), Domain(area=torch.from_numpy(area)))
    found = of(torch.from_numpy(members), truth)
    torch.testing.assert_close(found["crps"], torch.from_numpy(expected))
    variance = (members.var(axis=0, ddof=1) * weight).sum(axis=(-2, -1)) / weight.sum(axis=(-2, -1))
    torch.testing.assert_close(found["spread"], torch.from_numpy(np.sqrt(variance)))


def test_single_forecast_has_its_absolute_error_and_no_spread() -> None:
    rng = np.random.default_rng(2)
    pred, true = (torch.from_numpy(rng.random((1, 2, 1, 7, 8))) for _ in range(2))
    for forecast in (pred, pred[None]):
        found = of(forecast, true)
        torch.testing.assert_close(found["crps"], (pred - true).abs().mean(dim=(-2, -1)))
        assert found["spread"].isnan().all() and found["spread_skill"].isnan().all()


def test_other_scores_of_an_ensemble_are_those_of_its_mean() -> None:
    rng = np.random.default_rng(3)
    members, true = (
        torch.from_numpy(rng.random(shape)) for shape in ((3, 2, 2, 1, 8, 9), (2, 2, 1, 8, 9))
    )
    of_ensemble, of_mean = scores(members, true), scores(members.mean(dim=0), true)
    assert set(of_ensemble) - set(of_mean) == set(NAMES)
    for name, expected in of_mean.items():
        torch.testing.assert_close(of_ensemble[name], expected)


def test_members_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pred has shape \(3, 1, 2, 1, 7, 7\), true \(1, 1, 1"):
        scores(torch.rand(3, 1, 2, 1, 7, 7), torch.rand(1, 1, 1, 7, 7))
