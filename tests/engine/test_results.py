"""Skill, usefulness and means of scores, by hand."""

import math

import pytest
import torch

from simvp import metrics
from simvp.engine.evaluation import Evaluation
from simvp.engine.results import _first_above_1, _usefulness


def evaluation(*mse: list[float]) -> Evaluation:
    """Windows with these squared errors at each step; other scores are 0."""
    errors = torch.tensor(mse, dtype=torch.float64)
    others = {name: torch.zeros_like(errors) for name in metrics.NAMES}
    return Evaluation({**others, "mse": errors})


def usefulness(**evaluations: Evaluation) -> dict:
    return _usefulness({name: found.per_step("mse") for name, found in evaluations.items()})


def test_skill_compares_mean_errors() -> None:
    """At step 1 (1 + 3) / 2 against (4 + 4) / 2; in all 2.5 against 5."""
    found = usefulness(
        forecast=evaluation([1.0, 2.0], [3.0, 4.0]), persistence=evaluation([4.0, 6.0], [4.0, 6.0])
    )
    assert found["skill"] == 0.5
    assert found["skill_per_step"] == [0.5, 0.5]


def test_skill_against_an_exact_baseline_is_not_defined() -> None:
    found = usefulness(forecast=evaluation([1.0, 2.0]), persistence=evaluation([0.0, 4.0]))
    first, second = found["skill_per_step"]
    assert math.isnan(first) and second == 0.5
    found = usefulness(forecast=evaluation([1.0]), persistence=evaluation([0.0]))
    assert math.isnan(found["skill"])


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [([1, 2, 3, 4], 4), ([1, 2, 7, 4], 2), ([1, 2, 3, 9], 3), ([5, 2, 3, 4], 0)],
)
def test_useful_until_the_first_step_that_is_not_better(
    forecast: list[float], expected: int
) -> None:
    found = usefulness(
        forecast=evaluation([float(error) for error in forecast]),
        persistence=evaluation([5.0, 6.0, 7.0, 8.0]),
        training_mean=evaluation([9.0, 9.0, 9.0, 9.0]),
    )
    assert found["useful_until"] == expected


def test_every_baseline_counts() -> None:
    found = usefulness(
        forecast=evaluation([1.0, 2.0]),
        persistence=evaluation([5.0, 6.0]),
        training_mean=evaluation([9.0, 2.0]),
    )
    assert found["useful_until"] == 1


def test_means_leave_out_what_is_not_defined() -> None:
    values = torch.tensor([[1.0, math.inf, math.nan], [3.0, 5.0, math.nan]]).double()
    found = Evaluation({"psnr": values})
    assert found.per_step("psnr")[:2].tolist() == [2.0, 5.0]
    assert found.per_step("psnr")[2].isnan()
    assert float(found.mean("psnr")) == 3.0


def test_exact_frames_are_counted_and_do_not_spoil_the_mean() -> None:
    found = evaluation([1.0, 2.0])
    found.values["psnr"][0] = torch.tensor([math.inf, 30.0])
    assert float(found.mean("psnr")) == 30.0 and found.per_window("psnr").tolist() == [30.0]
    assert found.left_out() == {"psnr": 1}


def test_loss_of_a_forecast_that_is_not_finite_is_not_finite() -> None:
    """It decides which model is the best one."""
    assert math.isnan(evaluation([1.0, math.nan]).loss((1, 2, 3)))
    assert evaluation([1.0, 2.0]).loss((1, 2, 3)) == 0.25


def test_pooled_scores_sum_counts_before_they_divide() -> None:
    """Hits, misses and false alarms: 1 of 2 and 9 of 10 are 10 of 12."""
    counts = torch.tensor([[[[1.0, 1.0, 0.0]], [[9.0, 1.0, 0.0]]]]).double()
    found = Evaluation({"csi": counts})
    assert found.mean("csi").tolist() == [10 / 12]
    assert found.per_step("csi").tolist() == [[0.5], [0.9]]


def test_first_step_at_which_a_score_reaches_1() -> None:
    assert _first_above_1([0.2, 0.9, 1.0, 0.8]) == 3
    assert _first_above_1([0.2, math.nan]) is None
