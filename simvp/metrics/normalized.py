"""Errors relative to the variability of the truth. B: batch; T: frames; C: channels."""

import torch
from torch import Tensor

from simvp.metrics import Comparison, score

_EPSILON = 1e-7  # of The Well, in squared units


@score("vrmse", direction="lower", per="channel")
def vrmse(frames: Comparison) -> Tensor:
    """sqrt(mean((pred - true)^2) / (var(true) + 1e-7)), variance over space with ddof 1, (B, T, C).

    1 is as good as the mean of the true frame. NaN where the truth is constant: its variability is
    no scale.

    Source: The Well, `the_well/benchmark/metrics/spatial.py`.
    """
    error = frames.mean(frames.difference.square(), (-2, -1))
    count = frames.valid.sum((-2, -1))
    true = torch.where(frames.valid, frames.true, 0.0)
    mean = (true.sum((-2, -1)) / count)[..., None, None]
    deviation = torch.where(frames.valid, frames.true - mean, 0.0)
    variance = deviation.square().sum((-2, -1)) / (count - 1)
    low = torch.where(frames.valid, frames.true, torch.inf).amin((-2, -1))
    high = torch.where(frames.valid, frames.true, -torch.inf).amax((-2, -1))
    return torch.where(low < high, (error / (variance + _EPSILON)).sqrt(), torch.nan)
