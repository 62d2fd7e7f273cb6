"""Structural similarity. B: batch; T: frames; C, H, W: a frame; N: images."""

import torch
from torch import Tensor

from simvp.metrics import Comparison, SsimRange, Truth, score
from simvp.physics import SMALLEST_GRID

# Window and constants of scikit-image's `structural_similarity`, after Wang et al. 2004.
SSIM_WINDOW = SMALLEST_GRID
_SSIM_K1, _SSIM_K2 = 0.01, 0.03
_UNBIASED = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)  # from the variance of a population to a sample's


def ssim(pred: Tensor, true: Tensor, *, data_range: SsimRange = "unit") -> Tensor:
    """Structural similarity of each frame, see `similarity`: (B, T, C, H, W) -> (B, T)."""
    return similarity(Comparison.of(pred, Truth.of(true, ssim_data_range=data_range)))


@score("ssim", direction="higher")
def similarity(frames: Comparison) -> Tensor:
    """Structural similarity of each frame, the mean over its channels, (B, T).

    As scikit-image computes it with its defaults: 7x7 uniform window, sample covariance, windows
    that do not fit in the frame left out. The prediction is clipped to [0, 1] first. Windows that
    touch a missing value are left out.

    Raises: ValueError if a frame is smaller than the window.
    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
        Similarity", IEEE TIP 13(4), 2004.
    """
    if min(frames.pred.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs frames of {SSIM_WINDOW}x{SSIM_WINDOW} pixels or more")
    truth = frames.truth
    mean_true, var_true, complete = truth.once(_moments)
    pred = torch.where(truth.valid, frames.pred.clamp(0.0, 1.0), 0.0)
    mean_pred = _window_mean(pred)
    var_pred = _UNBIASED * (_window_mean(pred.square()) - mean_pred.square())
    covariance = _UNBIASED * (_window_mean(pred * truth.filled) - mean_pred * mean_true)
    span = truth.once(_span)
    c1, c2 = (_SSIM_K1 * span).square(), (_SSIM_K2 * span).square()
    ratio = (2 * mean_pred * mean_true + c1) * (2 * covariance + c2)
    ratio /= (mean_pred.square() + mean_true.square() + c1) * (var_pred + var_true + c2)
    of_channels = (ratio * complete).sum((-2, -1)) / complete.sum((-2, -1))
    return of_channels.nanmean(dim=-1)


def _moments(truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of the truth in each window, and whether it is complete."""
    mean = _window_mean(truth.filled)
    variance = _UNBIASED * (_window_mean(truth.filled.square()) - mean.square())
    complete = _windows(truth.valid, -1).all(-1)
    return mean, variance, _windows(complete, -2).all(-1)


def _span(truth: Truth) -> Tensor:
    """The data range of each frame, of shape (B, T, 1, 1, 1) or ()."""
    if truth.ssim_data_range == "unit":
        return truth.frames.new_ones(())
    low = torch.where(truth.valid, truth.frames, torch.inf).amin((2, 3, 4), keepdim=True)
    high = torch.where(truth.valid, truth.frames, -torch.inf).amax((2, 3, 4), keepdim=True)
    return high - low


def _window_mean(images: Tensor) -> Tensor:
    """Mean over each window that fits: (B, T, C, H, W) -> (B, T, C, H - 6, W - 6)."""
    return _windows(_windows(images, -1).mean(-1), -2).mean(-1)


def _windows(images: Tensor, axis: int) -> Tensor:
    """The windows along an axis; their cells are another axis, the last one."""
    return images.unfold(axis, SSIM_WINDOW, 1)
