"""PoolFormer. Source: Yu et al., "MetaFormer Is Actually What You Need", arXiv 2111.11418."""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import DropPath, LayerScale, Mlp, init_trunc_normal
from simvp.models.simvp.spatial import SpatialMean


class Block(nn.Module):
    """3x3 mean minus the input, then an MLP, each with a scaled residual connection.

    (B, C, h, w), same shape out.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.pool = SpatialMean(3)
        self.scale1 = LayerScale(channels, 1e-5)
        self.norm2 = nn.GroupNorm(1, channels)
        self.mlp = Mlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.scale2 = LayerScale(channels, 1e-5)
        self.drop_path = DropPath(settings.drop_path)
        init_trunc_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.drop_path(self.scale1(self.pool(normed) - normed))
        x = x + self.drop_path(self.scale2(self.mlp(self.norm2(x))))
        return x
