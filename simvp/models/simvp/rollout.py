"""From passes of a network, each of which forecasts a block of frames, to forecasts of any length.

B: batch; T: input frames; N: frames of a block, at most T; S: forecast steps; C: channels, C' of
which are forecast, the first ones; H, W: height and width.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# Input frames (B, T, C, H, W) and their mask (B, T, 1, H, W) or None -> a block (B, N, C', H, W).
Pass = Callable[[Tensor, Tensor | None], Tensor]


def roll_out(
    next_block: Pass, frames: Tensor, mask: Tensor | None, num_steps: int, *, num_forecast: int
) -> Tensor:
    """Forecast frames: each block is fed back as the latest input.

    The channels that are not forecast, whose future is not known, repeat their last frame, and so
    does the mask.

    Args:
        next_block: a pass of the network, which forecasts frames.
        frames: (B, T, C, H, W).
        mask: valid cells of the frames, (B, T, 1, H, W); None if the network takes no mask.
        num_forecast: C'.
    Returns: (B, S, C', H, W).
    """
    known, last_mask = frames[:, -1:, num_forecast:], None if mask is None else mask[:, -1:]
    blocks = [next_block(frames, mask)]
    length = blocks[0].shape[1]
    while len(blocks) * length < num_steps:
        block = torch.cat([blocks[-1], _repeated(known, length)], dim=2)
        frames = _appended(frames, block)
        if mask is not None and last_mask is not None:
            mask = _appended(mask, _repeated(last_mask, length))
        blocks.append(next_block(frames, mask))
    return torch.cat(blocks, dim=1)[:, :num_steps]


def roll_out_increments(
    next_block: Pass,
    frames: Tensor,
    mask: Tensor | None,
    num_steps: int,
    *,
    scale: Tensor,
    start: Tensor,
) -> Tensor:
    """Forecast by how much the frames differ from the last one before the forecast.

    Differences are added up apart from the frames, so that an increment of 0 is no change at all:
    no digit is lost by adding and subtracting the last frame.

    Args:
        next_block: a pass of the network, which forecasts the increments from frame to frame.
        frames, mask: as for `roll_out`.
        scale: what an increment of 1 stands for, (C', 1, 1).
        start: the frame before the forecast, complete, (B, 1, C', H, W).
    Returns: forecast minus `start`, (B, S, C', H, W).
    """
    differences = [torch.zeros_like(start)]

    def next_frames(frames: Tensor, mask: Tensor | None) -> Tensor:
        increments = next_block(frames, mask) * scale
        differences.append(differences[-1][:, -1:] + increments.cumsum(dim=1))
        return start + differences[-1]

    roll_out(next_frames, frames, mask, num_steps, num_forecast=start.shape[2])
    return torch.cat(differences[1:], dim=1)[:, :num_steps]


def last_known(frames: Tensor, default: Tensor) -> Tensor:
    """The last frame, with the last known value of each cell, or else the default.

    (B, T, C, H, W), NaN where missing, -> (B, 1, C, H, W).

    Args:
        default: broadcast to the frame.
    """
    *earlier, last = frames.unbind(dim=1)
    for frame in reversed(earlier):
        last = torch.where(last.isfinite(), last, frame)
    return torch.where(last.isfinite(), last, default).unsqueeze(1)


def _appended(frames: Tensor, block: Tensor) -> Tensor:
    """The latest frames, as many as before, after a block has been appended."""
    return torch.cat([frames[:, block.shape[1] :], block], dim=1)


def _repeated(frame: Tensor, count: int) -> Tensor:
    """(B, 1, C, H, W) -> (B, count, C, H, W)."""
    return frame.expand(-1, count, -1, -1, -1)
