"""HorNet. Source: Rao et al., "Efficient High-Order Spatial Interactions with Recursive Gated
Convolutions", arXiv 2207.14284.
"""

from torch import Tensor, nn

from simvp.models.simvp import layers
from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.tokens import require_multiple

_ORDER = 4


class GatedConv(nn.Module):
    """Recursive gated convolution; each order has twice the channels of the previous one.

    (B, C, h, w), same shape out. Raises ValueError if `channels` is not a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        require_multiple(channels, 2 ** (_ORDER - 1), f"interactions of order {_ORDER}")
        self.widths = [channels // 2**i for i in reversed(range(_ORDER))]
        self.proj_in = layers.Pointwise(channels, 2 * channels)
        self.dwconv = layers.depthwise(sum(self.widths), 7)
        self.proj_out = layers.Pointwise(channels, channels)
        self.pws = nn.ModuleList(
            layers.Pointwise(width, wider)
            for width, wider in zip(self.widths, self.widths[1:], strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        x, gates = self.proj_in(x).split((self.widths[0], sum(self.widths)), dim=1)
        first, *others = self.dwconv(gates).split(self.widths, dim=1)
        x = x * first
        for widen, gate in zip(self.pws, others, strict=True):
            x = widen(x) * gate
        return self.proj_out(x)


class Block(nn.Module):
    """Gated convolution and MLP, each with a scaled residual connection.

    (B, C, h, w), same shape out. As published, there is no dropout; `settings.drop` is not used.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        hidden = int(settings.mlp_ratio * channels)
        self.norm1 = layers.ChannelNorm(channels, eps=1e-6)
        self.gnconv = GatedConv(channels)
        self.scale1 = layers.LayerScale(channels, 1e-6)
        self.norm2 = layers.ChannelNorm(channels, eps=1e-6)
        self.pwconv1 = layers.Pointwise(channels, hidden)
        self.act = layers.Gelu()
        self.pwconv2 = layers.Pointwise(hidden, channels)
        self.scale2 = layers.LayerScale(channels, 1e-6)
        self.drop_path = layers.DropPath(settings.drop_path)
        layers.init_he_fan_out(self.gnconv)
        layers.init_trunc_normal(self.pwconv1)
        layers.init_trunc_normal(self.pwconv2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.scale1(self.gnconv(self.norm1(x))))
        hidden = self.act(self.pwconv1(self.norm2(x)))
        return x + self.drop_path(self.scale2(self.pwconv2(hidden)))
