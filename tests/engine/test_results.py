"""Skill, usefulness and means of scores, by hand."""

import math

import pytest
import torch

from simvp import metrics
from simvp.engine.evaluation import Evaluation, finite_mean
from simvp.engine.results import (
    FORECAST,
    PERSISTENCE,
    TRAINING_MEAN,
    skill,
    skill_per_step,
    useful_until,
)


def evaluation(*mse: list[float]) -> Evaluation:
    """Windows with these squared errors at each step; other scores are 0."""
    frames = torch.zeros(len(mse), len(mse[0]), len(metrics.NAMES), dtype=torch.float64)
    frames[..., metrics.NAMES.index("mse")] = torch.tensor(mse)
    channels = torch.zeros(len(mse), len(mse[0]), 1, len(metrics.CHANNEL_NAMES))
    return Evaluation(frames, channels)


def test_skill_compares_mean_errors() -> None:
    """At step 1 (1 + 3) / 2 against (4 + 4) / 2; in all 2.5 against 5."""
    found = {
        FORECAST: evaluation([1.0, 2.0], [3.0, 4.0]),
        PERSISTENCE: evaluation([4.0, 6.0], [4.0, 6.0]),
    }
    assert skill(found) == 0.5
    torch.testing.assert_close(skill_per_step(found), torch.tensor([0.5, 0.5]).double())


def test_skill_against_an_exact_baseline_is_not_defined() -> None:
    found = {FORECAST: evaluation([1.0, 2.0]), PERSISTENCE: evaluation([0.0, 4.0])}
    first, second = skill_per_step(found).tolist()
    assert math.isnan(first) and second == 0.5
    assert math.isnan(skill({FORECAST: evaluation([1.0]), PERSISTENCE: evaluation([0.0])}))


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [([1, 2, 3, 4], 4), ([1, 2, 7, 4], 2), ([1, 2, 3, 9], 3), ([5, 2, 3, 4], 0)],
)
def test_useful_until_the_first_step_that_is_not_better(
    forecast: list[float], expected: int
) -> None:
    found = {
        FORECAST: evaluation([float(error) for error in forecast]),
        PERSISTENCE: evaluation([5.0, 6.0, 7.0, 8.0]),
        TRAINING_MEAN: evaluation([9.0, 9.0, 9.0, 9.0]),
    }
    assert useful_until(found) == expected


def test_every_baseline_counts() -> None:
    found = {
        FORECAST: evaluation([1.0, 2.0]),
        PERSISTENCE: evaluation([5.0, 6.0]),
        TRAINING_MEAN: evaluation([9.0, 2.0]),
    }
    assert useful_until(found) == 1


def test_means_leave_out_what_is_not_defined() -> None:
    values = torch.tensor([[1.0, math.inf, math.nan], [3.0, 5.0, math.nan]])
    assert finite_mean(values)[:2].tolist() == [2.0, 5.0]
    assert finite_mean(values)[2].isnan()


def test_exact_frames_are_counted_and_do_not_spoil_the_mean() -> None:
    found = evaluation([1.0, 2.0])
    psnr = metrics.NAMES.index("psnr")
    found.frame_scores[0, :, psnr] = torch.tensor([math.inf, 30.0])
    assert found.mean()["psnr"] == 30.0 and found.per_window()["psnr"].tolist() == [30.0]
    assert found.left_out() == {"psnr": 1}


def test_loss_of_a_forecast_that_is_not_finite_is_not_finite() -> None:
    """It decides which model is the best one."""
    assert math.isnan(evaluation([1.0, math.nan]).loss((1, 2, 3)))
    assert evaluation([1.0, 2.0]).loss((1, 2, 3)) == 0.25
