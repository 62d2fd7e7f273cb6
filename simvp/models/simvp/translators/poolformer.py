"""PoolFormer. Source: Yu et al., "MetaFormer Is Actually What You Need", arXiv 2111.11418.

All tensors are (B, C, h, w); all modules preserve the shape of their input.
"""

from functools import partial

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings, ResidualBlock
from simvp.models.simvp.layers import Mlp, init_trunc_normal
from simvp.models.simvp.spatial import SpatialMean


class Pooling(SpatialMean):
    """3x3 mean minus the input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) - x


class Block(ResidualBlock):
    """Pooling, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        mlp = Mlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        norm = partial(nn.GroupNorm, 1)
        super().__init__(channels, settings, norm=norm, attn=Pooling(3), mlp=mlp, scale=1e-5)
        init_trunc_normal(self)
