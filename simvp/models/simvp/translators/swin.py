"""Swin Transformer. Source: Liu et al., "Hierarchical Vision Transformer using Shifted Windows",
arXiv 2103.14030.

B: batch; C: channels; h, w: size of the grid; s: size of a window, in cells.
"""

import torch
from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings, ResidualBlock
from simvp.models.simvp.layers import ChannelNorm, init_trunc_normal
from simvp.models.simvp.tokens import NUM_HEADS, GridMlp, SelfAttention


def window_size(height: int) -> int:
    """Window size for a grid of this height, as in OpenSTL."""
    return min(8, 7 if height % 7 == 0 else max(4, height // 16))


def fit_grid(grid: tuple[int, int]) -> tuple[int, int]:
    """The smallest grid of at least this size that can be divided into windows."""
    height, width = grid
    while height % min(window_size(height), height):
        height += 1
    size = min(window_size(height), height)
    return height, -(-width // size) * size


class Block(ResidualBlock):
    """Window attention, shifted in every second block, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        size = window_size(settings.grid[0])
        shift = size // 2 if settings.index % 2 else 0
        if min(settings.grid) <= size:
            size, shift = min(settings.grid), 0
        attn = WindowAttention(channels, size, shift, drop=settings.drop)
        mlp = GridMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        super().__init__(channels, settings, norm=ChannelNorm, attn=attn, mlp=mlp, scale=None)
        init_trunc_normal(self)


class WindowAttention(SelfAttention):
    """Attention within windows, with learned relative position bias: (B, C, h, w), same shape out.

    As in OpenSTL, the shift of the windows is cyclic and there is no attention mask at the edges.
    """

    def __init__(self, channels: int, size: int, shift: int, *, drop: float) -> None:
        super().__init__(channels, drop=drop)
        self.size, self.shift = size, shift
        self.relative_position_bias_table = nn.Parameter(
            torch.empty((2 * size - 1) ** 2, NUM_HEADS)
        )
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        cells = x.permute(0, 2, 3, 1).roll((-self.shift, -self.shift), dims=(1, 2))
        windows = self.attend(to_windows(cells, self.size), bias=self._bias())
        cells = from_windows(windows, like=cells).roll((self.shift, self.shift), dims=(1, 2))
        return cells.permute(0, 3, 1, 2)

    def _bias(self) -> Tensor:
        """Bias between all pairs of cells of a window, (heads, s*s, s*s)."""
        table = self.relative_position_bias_table
        cells = torch.arange(self.size, device=table.device)
        offsets = cells[:, None] - cells + self.size - 1  # from 0 to 2 s - 2
        rows = offsets[:, None, :, None] * (2 * self.size - 1)
        index = (rows + offsets[None, :, None, :]).reshape(self.size**2, self.size**2)
        return table[index].permute(2, 0, 1)


def to_windows(cells: Tensor, size: int) -> Tensor:
    """(B, h, w, C) -> (B * h/s * w/s, s*s, C)."""
    batch, height, width, channels = cells.shape
    blocks = cells.reshape(batch, height // size, size, width // size, size, channels)
    return blocks.transpose(2, 3).reshape(-1, size * size, channels)


def from_windows(windows: Tensor, like: Tensor) -> Tensor:
    """Inverse of `to_windows`; returns the shape of `like`."""
    batch, height, width, channels = like.shape
    size = round(windows.shape[1] ** 0.5)
    blocks = windows.reshape(batch, height // size, width // size, size, size, channels)
    return blocks.transpose(2, 3).reshape(like.shape)
