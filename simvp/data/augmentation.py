"""Random symmetry transformations of frames: `draw` chooses them, `apply` moves the cells.

B: batch; T: frames; C: channels; H, W: height and width, along y and x.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from simvp.data.description import DataDescription
from simvp.physics import SYMMETRIES, Symmetry


@dataclass(frozen=True)
class Vector:
    """Two channels that are the components of a vector, in network units.

    Attributes:
        channels: indices of the components along increasing column (x) and row (y) index.
        zero: the network values of each that stand for a physical 0.
        span: the physical difference between the network's 0 and 1 of each.
    """

    channels: tuple[int, int]
    zero: tuple[float, float]
    span: tuple[float, float]


def vectors(data: DataDescription) -> list[Vector]:
    """The vectors that the data card names and whose components are channels of the data."""
    found = []
    for x, y in data.card.vectors:
        if x in data.channels:
            i, j = data.channels.index(x), data.channels.index(y)
            low, span = data.scaling.low, data.scaling.span
            zero = (-low[i] / span[i], -low[j] / span[j])
            found.append(Vector((i, j), zero, (span[i], span[j])))
    return found


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


def apply(frames: Tensor, transformations: Tensor, vectors: Sequence[Vector] = ()) -> Tensor:
    """Transform all frames of a sample alike: (B, T, C, H, W) -> (B, T, C, H, W).

    The values of a scalar are moved to other cells. The components of a vector also change sign, or
    are exchanged.

    Args:
        transformations: as `draw` returns them; first the quarter turns are done, clockwise, then
            the flips, then the roll towards higher indices.
        vectors: the channels that are components of vectors.
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
    moved = frames.flatten(-2).gather(-1, source.expand(*frames.shape[:3], -1)).view_as(frames)
    for vector in vectors:
        _turn(moved, transformations, vector)
    return moved


def _turn(frames: Tensor, transformations: Tensor, vector: Vector) -> None:
    """Mirror and turn the components of a vector in frames (B, T, C, H, W), in place."""
    *_, flip_x, flip_y, turns = transformations.to(frames.device).T[..., None, None, None]
    is_swapped = turns % 2 == 1
    # A clockwise quarter turn maps (x, y) to (-y, x), two to (-x, -y), three to (y, -x).
    sign_x = torch.where((turns == 1) | (turns == 2), -1.0, 1.0) * (1 - 2 * flip_x)
    sign_y = torch.where(turns >= 2, -1.0, 1.0) * (1 - 2 * flip_y)
    components = [frames[:, :, channel] for channel in vector.channels]
    turned = []
    for this, sign in enumerate((sign_x, sign_y)):
        other = 1 - this
        values = torch.where(is_swapped, components[other], components[this])
        # Without a change, the factor is exactly 1 and the offset 0.
        factor = sign * torch.where(is_swapped, vector.span[other] / vector.span[this], 1.0)
        origin = torch.where(is_swapped, vector.zero[other], vector.zero[this])
        turned.append(factor * values + (vector.zero[this] - factor * origin))
    for channel, values in zip(vector.channels, turned, strict=True):
        frames[:, :, channel] = values
