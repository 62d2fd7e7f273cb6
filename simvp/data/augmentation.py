"""Random symmetry transformations of frames: `draw` chooses them, `apply` moves the cells.

B: batch; T: frames; C: channels; H, W: height and width, along y and x.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from simvp.physics import SYMMETRIES, Symmetry


def draw(
    names: Sequence[Symmetry],
    size: tuple[int, int],
    *,
    seed: int,
    epoch: int,
    samples: Sequence[int],
) -> Tensor:
    """A transformation for each sample, a function of (seed, epoch, sample) alone.

    Args:
        names: the symmetries to draw from, at most all of them.
        size: (H, W).
        samples: the samples' indices.
    Returns: (B, 5) integers: rows and columns to roll by, flips along x and y, quarter turns.
    """
    limits = np.where(np.isin(("roll", *SYMMETRIES), names), (*size, 2, 2, 4), 1)
    return torch.from_numpy(
        np.stack([np.random.default_rng([seed, epoch, i]).integers(limits) for i in samples])
    )


def apply(frames: Tensor, transformations: Tensor) -> Tensor:
    """Transform all frames of a sample alike: (B, T, C, H, W) -> (B, T, C, H, W).

    Values are moved, not turned: a channel is a scalar, not a component of a vector.

    Args:
        transformations: as `draw` returns them; first the quarter turns are done, clockwise, then
            the flips, then the roll towards higher indices.
    """
    height, width = frames.shape[-2:]
    rows, columns, flip_x, flip_y, turns = transformations.to(frames.device).T[..., None, None]
    # Where each cell of the result comes from: the steps undone, the last one first.
    y = (torch.arange(height, device=frames.device)[:, None] - rows) % height
    x = (torch.arange(width, device=frames.device) - columns) % width
    x = torch.where(flip_x == 1, width - 1 - x, x)
    y = torch.where(flip_y == 1, height - 1 - y, y)
    for turn in (1, 2, 3):
        y, x = (
            torch.where(turns >= turn, height - 1 - x, y),
            torch.where(turns >= turn, y, x),
        )
    source = (y * width + x).flatten(1)[:, None, None]
    return frames.flatten(-2).gather(-1, source.expand(*frames.shape[:3], -1)).view_as(frames)
