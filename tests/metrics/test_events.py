"""Event scores by hand and against scipy."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from simvp.metrics import SCORES, Domain, Event, Truth, scores

NAMES = ("csi", "pod", "far")


def combined(pred: torch.Tensor, truth: Truth, *names: str) -> dict[str, torch.Tensor]:
    """Scores of all frames together, (E,)."""
    found = scores(pred, truth, names)
    return {name: SCORES[name].combined(found[name].sum(dim=(0, 1))) for name in names}


def test_hits_misses_and_false_alarms_by_hand() -> None:
    """Two frames of 2 x 3 cells; a value at the threshold is an event, a hole is none."""
    true = torch.tensor([[5.0, 1, 5], [0, 9, 4]]), torch.tensor([[0.0, 0, 5], [math.nan, 0, 0]])
    pred = torch.tensor([[5.0, 5, 0], [0, 6, 4.9]]), torch.tensor([[5.0, 0, 0], [9, 0, 0]])
    # Frame 1: hits (0, 0) and (1, 1), miss (0, 2), false alarm (0, 1). Frame 2: a miss, a false
    # alarm.
    truth = Truth.of(torch.stack(true)[None, :, None], Domain(events=(Event(0, 5.0, 5.0),)))
    found = combined(torch.stack(pred)[None, :, None], truth, *NAMES)
    assert {name: float(value) for name, value in found.items()} == {
        "csi": 2 / 6,
        "pod": 2 / 4,
        "far": 2 / 4,
    }


def test_scores_without_events_are_not_defined() -> None:
    truth = Truth.of(torch.zeros(1, 1, 1, 4, 5), Domain(events=(Event(0, 5.0, 5.0),)))
    found = combined(torch.zeros(1, 1, 1, 4, 5), truth, *NAMES, "fss_3")
    assert all(bool(value.isnan()) for value in found.values())


@pytest.mark.parametrize("size", [3, 9])
def test_fractions_skill_score_against_uniform_filters(size: int) -> None:
    rng = np.random.default_rng(size)
    true, pred = rng.random((2, 2, 3, 2, 12, 17))
    events = (Event(0, 0.7, 0.7), Event(1, 0.2, 0.2), Event(1, 0.9, 0.9))
    truth = Truth.of(torch.from_numpy(true), Domain(events=events))
    name = f"fss_{size}"
    found = combined(torch.from_numpy(pred), truth, name)[name]
    for number, event in enumerate(events):
        forecast, observed = (
            scipy.ndimage.uniform_filter(
                (values[:, :, event.channel] >= event.threshold).astype(float),
                (1, 1, size, size),
                mode="constant",
            )
            for values in (pred, true)
        )
        expected = 1 - ((forecast - observed) ** 2).sum() / (forecast**2 + observed**2).sum()
        assert float(found[number]) == pytest.approx(expected, rel=1e-9)
