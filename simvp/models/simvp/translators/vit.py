"""Vision Transformer. Source: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for
Image Recognition at Scale", arXiv 2010.11929.
"""

from simvp.models.simvp.chain import BlockSettings, ResidualBlock
from simvp.models.simvp.layers import ChannelNorm, init_trunc_normal
from simvp.models.simvp.tokens import GridMlp, SelfAttention


class Block(ResidualBlock):
    """Self-attention between all grid cells, then an MLP: (B, C, h, w), same shape out."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        attn = SelfAttention(channels, drop=settings.drop)
        mlp = GridMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        super().__init__(channels, settings, norm=ChannelNorm, attn=attn, mlp=mlp, scale=None)
        init_trunc_normal(self)
