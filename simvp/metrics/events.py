"""Scores of events: whether a threshold is reached where it was forecast.

Counts are summed over all frames before they are divided.
B: batch; T: frames; E: events; H, W: height and width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from simvp.metrics import Comparison, Truth, score


def occurred(truth: Truth) -> Tensor:
    """Where each event happened, (B, T, E, H, W); nowhere where the truth is missing."""
    return _reached(truth.frames, truth) & _valid(truth)


def forecast(frames: Comparison) -> Tensor:
    """Where each event was forecast, (B, T, E, H, W); nowhere where the truth is missing."""
    return _reached(frames.pred, frames.truth) & _valid(frames.truth)


def _reached(values: Tensor, truth: Truth) -> Tensor:
    events = truth.domain.events
    thresholds = values.new_tensor([event.threshold for event in events]).reshape(-1, 1, 1)
    return values[:, :, [event.channel for event in events]] >= thresholds


def _valid(truth: Truth) -> Tensor:
    return truth.valid[:, :, [event.channel for event in truth.domain.events]]


def contingency(frames: Comparison) -> Tensor:
    """Numbers of hits, misses and false alarms in a frame, (B, T, E, 3)."""
    observed, predicted = frames.truth.once(occurred), frames.once(forecast)
    cells = (observed & predicted, observed & ~predicted, ~observed & predicted)
    return torch.stack([where.sum((-2, -1)) for where in cells], dim=-1).to(frames.pred.dtype)


def _success(sums: Tensor) -> Tensor:
    return sums[..., 0] / sums.sum(dim=-1)


def _detection(sums: Tensor) -> Tensor:
    return sums[..., 0] / (sums[..., 0] + sums[..., 1])


def _false_alarm(sums: Tensor) -> Tensor:
    return sums[..., 2] / (sums[..., 0] + sums[..., 2])


@score("csi", direction="higher", per="event", combine=_success, num_terms=3)
def csi(frames: Comparison) -> Tensor:
    """Terms of the critical success index, hits / (hits + misses + false alarms).

    Source: SEVIR, Veillette et al., NeurIPS 2020, section 4.
    """
    return frames.once(contingency)


@score("pod", direction="higher", per="event", combine=_detection, num_terms=3)
def pod(frames: Comparison) -> Tensor:
    """Terms of the probability of detection, hits / (hits + misses). Source: as `csi`."""
    return frames.once(contingency)


@score("far", direction="lower", per="event", combine=_false_alarm, num_terms=3)
def far(frames: Comparison) -> Tensor:
    """Terms of the false alarm ratio, false alarms / (hits + false alarms).

    Source: WWRP/WGNE Joint Working Group on Forecast Verification Research.
    """
    return frames.once(contingency)


def _fractions_skill(sums: Tensor) -> Tensor:
    return 1 - sums[..., 0] / sums[..., 1]


@score("fss_3", direction="higher", per="event", combine=_fractions_skill, num_terms=2)
def fss_3(frames: Comparison) -> Tensor:
    """Terms of the fractions skill score in windows of 3x3 cells, see `fractions_terms`."""
    return fractions_terms(frames, 3)


@score("fss_9", direction="higher", per="event", combine=_fractions_skill, num_terms=2)
def fss_9(frames: Comparison) -> Tensor:
    """Terms of the fractions skill score in windows of 9x9 cells, see `fractions_terms`."""
    return fractions_terms(frames, 9)


def fractions_terms(frames: Comparison, size: int) -> Tensor:
    """Sums over a frame of (f - o)^2 and of f^2 + o^2, (B, T, E, 2).

    f and o are the fractions of the cells of a window around each cell where the event was forecast
    and where it happened; cells beyond the edge and cells without truth have no event.

    Args:
        size: of the window, odd.
    Source: Roberts and Lean, "Scale-selective verification of rainfall accumulations from
        high-resolution forecasts of convective events", Mon. Weather Rev. 136, 2008.
    """
    predicted, observed = (
        F.avg_pool2d(where.to(frames.pred.dtype).flatten(0, 1), size, stride=1, padding=size // 2)
        for where in (frames.once(forecast), frames.truth.once(occurred))
    )
    sums = (
        (predicted - observed).square().sum((-2, -1)),
        (predicted.square() + observed.square()).sum((-2, -1)),
    )
    return torch.stack(sums, dim=-1).reshape(*frames.pred.shape[:2], -1, 2)
