"""Errors of values: summed over a frame as is usual in the field, and of each channel.

B: batch; T: frames; C: channels.
"""

import torch
from torch import Tensor

from simvp.metrics import Comparison, score


@score("mse", unit="per frame", direction="lower")
def mse(frames: Comparison) -> Tensor:
    """Squared error summed over the pixels and channels of a frame, (B, T).

    Source: OpenSTL, `openstl/core/metrics.py`.
    """
    return frames.squared_error


@score("mae", unit="per frame", direction="lower")
def mae(frames: Comparison) -> Tensor:
    """Absolute error summed over the pixels and channels of a frame, (B, T).

    Source: OpenSTL, `openstl/core/metrics.py`.
    """
    return frames.truth.total(frames.difference.abs())


@score("rmse", unit="per frame", direction="lower")
def rmse(frames: Comparison) -> Tensor:
    """Root of `mse`, (B, T)."""
    return frames.squared_error.sqrt()


@score("psnr", unit="dB", direction="higher")
def psnr(frames: Comparison) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1.0, (B, T); inf where a frame is exact.

    Source: Wikipedia, "Peak signal-to-noise ratio", definition by MSE.
    """
    return -10.0 * torch.log10(frames.squared_error / frames.pred[0, 0].numel())


@score("rmse_unit", unit="channel", direction="lower", per="channel")
def rmse_unit(frames: Comparison) -> Tensor:
    """Root mean square error of each channel, sqrt(mean((pred - true)^2)), (B, T, C).

    The mean is weighted by the area of the cells.
    """
    return frames.truth.area_mean(frames.squared_difference).sqrt()


@score("bias_unit", unit="channel", direction="zero", per="channel")
def bias_unit(frames: Comparison) -> Tensor:
    """Mean error of each channel, mean(pred - true), (B, T, C), weighted by the area of cells."""
    return frames.truth.area_mean(frames.difference)
