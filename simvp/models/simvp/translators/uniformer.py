"""UniFormer. Source: Li et al., "Unifying Convolution and Self-attention", arXiv 2201.09450.

All blocks map (B, C, h, w) to the same shape.
"""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import (
    ChannelNorm,
    DropPath,
    LayerScale,
    Mlp,
    Pointwise,
    depthwise,
    init_he_fan_out,
    init_trunc_normal,
)
from simvp.models.simvp.tokens import GridMlp, SelfAttention


class ConvBlock(nn.Module):
    """5x5 depthwise convolution, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.pos_embed = depthwise(channels, 3)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = Pointwise(channels, channels)
        self.conv2 = Pointwise(channels, channels)
        self.attn = depthwise(channels, 5)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = Mlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.drop_path = DropPath(settings.drop_path)
        init_he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.drop_path(self.conv2(self.attn(self.conv1(self.norm1(x)))))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class AttentionBlock(nn.Module):
    """Self-attention between all grid cells, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.pos_embed = depthwise(channels, 3)
        self.norm1 = ChannelNorm(channels)
        self.attn = SelfAttention(channels, drop=settings.drop)
        self.scale1 = LayerScale(channels, 1e-6)
        self.norm2 = ChannelNorm(channels)
        self.mlp = GridMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.scale2 = LayerScale(channels, 1e-6)
        self.drop_path = DropPath(settings.drop_path)
        init_trunc_normal(self.attn)
        init_trunc_normal(self.mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.drop_path(self.scale1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.scale2(self.mlp(self.norm2(x))))


def Block(channels: int, settings: BlockSettings) -> nn.Module:
    """Convolution where the number of channels changes, self-attention in between."""
    uses_attention = settings.keeps_width and settings.index > 0
    return AttentionBlock(channels, settings) if uses_attention else ConvBlock(channels, settings)
