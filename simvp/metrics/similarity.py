"""Structural similarity. B: batch; T: frames; C, H, W: a frame; N: images."""

import torch
from torch import Tensor
from torch.nn import functional as F

from simvp.metrics import Comparison, SsimRange, score
from simvp.physics import SMALLEST_GRID

# Window and constants of scikit-image's `structural_similarity`, after Wang et al. 2004.
SSIM_WINDOW = SMALLEST_GRID
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


@score("ssim", direction="higher")
def _ssim(frames: Comparison) -> Tensor:
    return ssim(frames.pred, frames.true, data_range=frames.ssim_data_range)


def ssim(pred: Tensor, true: Tensor, *, data_range: SsimRange = "unit") -> Tensor:
    """Structural similarity of each frame, the mean over its channels: (B, T, C, H, W) -> (B, T).

    As scikit-image computes it with its defaults: 7x7 uniform window, sample covariance, windows
    that do not fit in the frame left out. The prediction is clipped to [0, 1] first. Windows that
    touch a missing value (NaN in `true`) are left out.

    Args:
        data_range: "unit" for 1.0; "frame" for the range of each true frame.
    Raises: ValueError if a frame is smaller than the window.
    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
        Similarity", IEEE TIP 13(4), 2004.
    """
    if min(pred.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs frames of {SSIM_WINDOW}x{SSIM_WINDOW} pixels or more")
    shape = pred.shape[:3]
    valid = true.isfinite()
    pred = torch.where(valid, pred.clamp(0.0, 1.0), 0.0).flatten(0, 2)
    span = pred.new_ones(())
    if data_range == "frame":
        low = torch.where(valid, true, torch.inf).flatten(2).amin(dim=-1)
        high = torch.where(valid, true, -torch.inf).flatten(2).amax(dim=-1)
        span = (high - low).flatten().repeat_interleave(shape[2]).reshape(-1, 1, 1)
    true = torch.where(valid, true, 0.0).flatten(0, 2)
    c1, c2 = (_SSIM_K1 * span).square(), (_SSIM_K2 * span).square()

    mean_pred, mean_true = _window_mean(pred), _window_mean(true)
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    var_pred = unbiased * (_window_mean(pred * pred) - mean_pred.square())
    var_true = unbiased * (_window_mean(true * true) - mean_true.square())
    covariance = unbiased * (_window_mean(pred * true) - mean_pred * mean_true)
    similarity = (2 * mean_pred * mean_true + c1) * (2 * covariance + c2)
    similarity /= (mean_pred.square() + mean_true.square() + c1) * (var_pred + var_true + c2)
    touches = F.max_pool2d((~valid).flatten(0, 2).to(pred.dtype), SSIM_WINDOW, stride=1)
    of_channels = (similarity * (1 - touches)).sum(dim=(-2, -1)) / (1 - touches).sum(dim=(-2, -1))
    return of_channels.reshape(shape).nanmean(dim=-1)


def _window_mean(images: Tensor) -> Tensor:
    """Mean over each window that fits: (N, H, W) -> (N, H - 6, W - 6)."""
    return F.avg_pool2d(images.unsqueeze(1), SSIM_WINDOW, stride=1).squeeze(1)
