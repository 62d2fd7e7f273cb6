"""Swin Transformer. Source: Liu et al., "Hierarchical Vision Transformer using Shifted Windows",
arXiv 2103.14030.

B: batch; C: channels; h, w: size of the grid; s: size of a window, in cells.
"""

import torch
from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import DropPath, init_trunc_normal
from simvp.models.simvp.tokens import NUM_HEADS, SelfAttention, TokenMlp


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


class Block(nn.Module):
    """Window attention, shifted in every second block, then an MLP: (B, C, h, w), same shape out.

    As in OpenSTL, the shift is cyclic and there is no attention mask at the edges.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.window = window_size(settings.grid[0])
        self.shift = self.window // 2 if settings.index % 2 else 0
        if min(settings.grid) <= self.window:
            self.window, self.shift = min(settings.grid), 0
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, self.window, drop=settings.drop)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = TokenMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.drop_path = DropPath(settings.drop_path)
        init_trunc_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        cells = x.permute(0, 2, 3, 1)
        shifted = self.norm1(cells).roll((-self.shift, -self.shift), dims=(1, 2))
        attended = from_windows(self.attn(to_windows(shifted, self.window)), like=shifted)
        cells = cells + self.drop_path(attended.roll((self.shift, self.shift), dims=(1, 2)))
        cells = cells + self.drop_path(self.mlp(self.norm2(cells)))
        x = cells.permute(0, 3, 1, 2)
        return x


class WindowAttention(SelfAttention):
    """Attention with learned relative position bias: (windows, s*s, C), same shape out."""

    def __init__(self, channels: int, size: int, *, drop: float) -> None:
        super().__init__(channels, drop=drop)
        self.size = size
        self.relative_position_bias_table = nn.Parameter(
            torch.empty((2 * size - 1) ** 2, NUM_HEADS)
        )
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        table = self.relative_position_bias_table
        cells = torch.arange(self.size, device=table.device)
        offsets = cells[:, None] - cells + self.size - 1  # from 0 to 2 s - 2
        rows = offsets[:, None, :, None] * (2 * self.size - 1)
        index = (rows + offsets[None, :, None, :]).reshape(self.size**2, self.size**2)
        return super().forward(x, table[index].permute(2, 0, 1))


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
