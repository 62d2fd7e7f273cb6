"""Errors relative to the size or the variability of the truth.

B: batch; T: frames; C: channels.
"""

import torch
from torch import Tensor

from simvp.metrics import Comparison, Truth, score

_EPSILON = 1e-7  # of The Well, in squared units


@score("vrmse", direction="lower", per="channel")
def vrmse(frames: Comparison) -> Tensor:
    """sqrt(mean((pred - true)^2) / (var(true) + 1e-7)), variance over space with ddof 1, (B, T, C).

    1 is as good as the mean of the true frame. NaN where the truth is constant: its variability is
    no scale.

    Source: The Well, `the_well/benchmark/metrics/spatial.py`.
    """
    return (frames.mean_squared_error / (frames.truth.once(variance) + _EPSILON)).sqrt()


def variance(truth: Truth) -> Tensor:
    """Variance of the true frames over space with ddof 1, (B, T, C); NaN where they are constant.

    A constant frame is found by its range, because rounding errors make its variance positive.
    """
    mean = truth.mean(truth.filled)[..., None, None]
    deviation = torch.where(truth.valid, truth.frames - mean, 0.0)
    low = torch.where(truth.valid, truth.frames, torch.inf).amin((-2, -1))
    high = torch.where(truth.valid, truth.frames, -torch.inf).amax((-2, -1))
    found = deviation.square().sum((-2, -1)) / (truth.count - 1)
    return torch.where(low < high, found, torch.nan)


@score("nrmse", direction="lower", per="channel")
def nrmse(frames: Comparison) -> Tensor:
    """sqrt(mean((pred - true)^2) / mean(true^2)) of physical values, (B, T, C).

    0 is exact, and 1 is as good as a forecast of 0. NaN where the truth is 0 everywhere.

    Source: PDEBench, arXiv 2210.07182, and `pdebench/models/metrics.py`.
    """
    domain = frames.truth.domain
    span = frames.pred.new_tensor(domain.span or 1.0)
    size = frames.truth.once(mean_square)
    return torch.where(
        size > 0, (frames.mean_squared_error * span.square() / size).sqrt(), torch.nan
    )


def mean_square(truth: Truth) -> Tensor:
    """Mean square of the physical values of the true frames, (B, T, C)."""
    low, span = (
        truth.frames.new_tensor(v) for v in (truth.domain.low or 0.0, truth.domain.span or 1.0)
    )
    mean, square = truth.mean(truth.filled), truth.mean(truth.filled.square())
    return square * span.square() + 2 * low * span * mean + low.square()
