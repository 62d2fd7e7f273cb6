"""Scores of forecast frames, per frame, in batches, on whatever device the frames are.

B: batch; T: frames; C: channels; H, W: height and width; M: metrics. Frames are in [0, 1].
Scores are kept per frame and averaged at the very end, weighted by count: the result depends
neither on the batch size nor on the number of processes.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

NAMES = ("mse", "mae", "rmse", "psnr", "ssim")

# Window and constants of scikit-image's `structural_similarity`, after Wang et al. 2004.
SSIM_WINDOW = 7
_SSIM_K1, _SSIM_K2 = 0.01, 0.03

SsimRange = Literal["unit", "frame"]


def frame_scores(pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit") -> Tensor:
    """All metrics of each frame: (B, T, C, H, W) twice -> (B, T, M), M as in NAMES.

    On the device of the frames, in float64 where it has that.

    Raises: ValueError if the shapes differ.
    """
    if pred.shape != true.shape:
        raise ValueError(f"pred has shape {tuple(pred.shape)}, true {tuple(true.shape)}")
    # Sums of thousands of squares and SSIM's differences of nearly equal numbers lose digits in
    # float32; the cost is nothing beside the network's.
    pred, true = pred.to(_precise(pred)), true.to(_precise(true))
    mse = squared_error(pred, true)
    scores = [
        mse,
        absolute_error(pred, true),
        mse.sqrt(),
        psnr_db(mse, num_values=pred[0, 0].numel()),
        ssim(pred, true, data_range=ssim_data_range),
    ]
    return torch.stack(scores, dim=-1)


def squared_error(pred: Tensor, true: Tensor) -> Tensor:
    """Squared error summed over the pixels and channels of a frame (the field's `mse`), (B, T)."""
    return (pred - true).square().sum(dim=(2, 3, 4))


def absolute_error(pred: Tensor, true: Tensor) -> Tensor:
    """Absolute error summed over the pixels and channels of a frame (the field's `mae`), (B, T)."""
    return (pred - true).abs().sum(dim=(2, 3, 4))


def channel_errors(pred: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Root mean square error and mean error (bias) of each frame and channel.

    Args:
        pred, true: (B, T, C, H, W).
    Returns: (B, T, C) twice, float64 where the device has it, in the units of the frames.
    """
    error = pred.to(_precise(pred)) - true.to(_precise(true))
    return error.square().mean(dim=(-2, -1)).sqrt(), error.mean(dim=(-2, -1))


def psnr_db(squared_error: Tensor, *, num_values: int) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1.0; inf where a frame is exact.

    Args:
        squared_error: summed over a frame, any shape.
        num_values: pixels times channels of a frame.
    Source: Wikipedia, "Peak signal-to-noise ratio", definition by MSE.
    """
    return -10.0 * torch.log10(squared_error / num_values)


def ssim(pred: Tensor, true: Tensor, *, data_range: SsimRange = "unit") -> Tensor:
    """Structural similarity of each frame, the mean over its channels: (B, T, C, H, W) -> (B, T).

    As scikit-image computes it with its defaults: 7x7 uniform window, sample covariance, windows
    that do not fit in the frame left out. The prediction is clipped to [0, 1] first.

    Args:
        data_range: "unit" for 1.0; "frame" for the range of each true frame.
    Raises: ValueError if a frame is smaller than the window.
    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
        Similarity", IEEE TIP 13(4), 2004.
    """
    if min(pred.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs frames of {SSIM_WINDOW}x{SSIM_WINDOW} pixels or more")
    shape = pred.shape[:3]
    pred, true = pred.clamp(0.0, 1.0).flatten(0, 2), true.flatten(0, 2)
    span = true.new_ones(())
    if data_range == "frame":
        low, high = true.reshape(*shape[:2], -1).aminmax(dim=-1)
        span = (high - low).flatten().repeat_interleave(shape[2]).reshape(-1, 1, 1)
    c1, c2 = (_SSIM_K1 * span).square(), (_SSIM_K2 * span).square()

    mean_pred, mean_true = _window_mean(pred), _window_mean(true)
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    var_pred = unbiased * (_window_mean(pred * pred) - mean_pred.square())
    var_true = unbiased * (_window_mean(true * true) - mean_true.square())
    covariance = unbiased * (_window_mean(pred * true) - mean_pred * mean_true)
    similarity = (2 * mean_pred * mean_true + c1) * (2 * covariance + c2)
    similarity /= (mean_pred.square() + mean_true.square() + c1) * (var_pred + var_true + c2)
    return similarity.mean(dim=(-2, -1)).reshape(shape).mean(dim=-1)


def _window_mean(images: Tensor) -> Tensor:
    """Mean over each window that fits: (N, H, W) -> (N, H - 6, W - 6)."""
    return F.avg_pool2d(images.unsqueeze(1), SSIM_WINDOW, stride=1).squeeze(1)


def _precise(x: Tensor) -> torch.dtype:
    # Apple's GPUs have no float64.
    return torch.float32 if x.device.type == "mps" else torch.float64


def persistence(inputs: Tensor, num_steps: int) -> Tensor:
    """The forecast "nothing changes": the last frame of (B, T, C, H, W), `num_steps` times."""
    return inputs[:, -1:].expand(-1, num_steps, -1, -1, -1)
