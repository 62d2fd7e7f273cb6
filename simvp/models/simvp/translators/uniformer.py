"""UniFormer. Source: Li et al., "Unifying Convolution and Self-attention", arXiv 2201.09450.

All blocks map (B, C, h, w) to the same shape.
"""

from torch import Tensor, nn

from simvp.models.simvp import layers
from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.tokens import GridMlp, SelfAttention


class ConvBlock(nn.Module):
    """5x5 depthwise convolution, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.pos_embed = layers.depthwise(channels, 3)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = layers.Pointwise(channels, channels)
        self.conv2 = layers.Pointwise(channels, channels)
        self.attn = layers.depthwise(channels, 5)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = layers.Mlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.drop_path = layers.DropPath(settings.drop_path)
        layers.init_he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.drop_path(self.conv2(self.attn(self.conv1(self.norm1(x)))))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class AttentionBlock(nn.Module):
    """Self-attention between all grid cells, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.pos_embed = layers.depthwise(channels, 3)
        self.norm1 = layers.ChannelNorm(channels)
        self.attn = SelfAttention(channels, drop=settings.drop)
        self.scale1 = layers.LayerScale(channels, 1e-6)
        self.norm2 = layers.ChannelNorm(channels)
        self.mlp = GridMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.scale2 = layers.LayerScale(channels, 1e-6)
        self.drop_path = layers.DropPath(settings.drop_path)
        layers.init_trunc_normal(self.attn)
        layers.init_trunc_normal(self.mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.drop_path(self.scale1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.scale2(self.mlp(self.norm2(x))))


def Block(channels: int, settings: BlockSettings) -> nn.Module:
    """Convolution where the number of channels changes, self-attention in between."""
    uses_attention = settings.keeps_width and settings.index > 0
    return AttentionBlock(channels, settings) if uses_attention else ConvBlock(channels, settings)
