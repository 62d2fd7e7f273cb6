"""Encoder and decoder: map frames to features on a coarser grid and back.

N: frames of all samples; C: channels of a frame; S: channels of the features (`hid_S`);
H, W: height and width; h, w: height and width after downsampling.
"""

from torch import Tensor, nn

from simvp.models.simvp.layers import Pointwise, recomputed
from simvp.models.simvp.spatial import SpatialConv


def downsampling(num_layers: int) -> int:
    """Downsampling factor of the encoder; every second layer halves the grid."""
    return int(2 ** (num_layers // 2))


class ConvNormAct(nn.Module):
    """Convolution, GroupNorm(2), SiLU; `scale` 0.5 halves the grid, 2 doubles it."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, scale: float) -> None:
        super().__init__()
        stride = 2 if scale == 0.5 else 1
        # PixelShuffle turns four channels into twice the resolution.
        expansion = 4 if scale == 2 else 1
        self.conv = SpatialConv(in_channels, out_channels * expansion, kernel, stride=stride)
        self.shuffle = nn.PixelShuffle(2) if scale == 2 else nn.Identity()
        self.norm = nn.GroupNorm(2, out_channels)
        self.act = nn.SiLU()
        nn.init.trunc_normal_(self.conv.weight, std=0.02)
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shuffle(self.conv(x))
        return recomputed(lambda x: self.act(self.norm(x)), x)


class Encoder(nn.Module):
    """(N, C, H, W) -> features (N, S, h, w) and the output of the first layer (N, S, H, W)."""

    def __init__(self, channels: int, hidden: int, num_layers: int, kernel: int) -> None:
        super().__init__()
        scales = [1, 0.5] * (num_layers // 2)
        self.layers = nn.ModuleList(
            ConvNormAct(channels if i == 0 else hidden, hidden, kernel, scale=scale)
            for i, scale in enumerate(scales)
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        skip = features = self.layers[0](frames)
        for layer in self.layers[1:]:
            features = layer(features)
        return features, skip


class Decoder(nn.Module):
    """Features (N, S, h, w) and skip connection (N, S, H, W) -> frames (N, C, H, W)."""

    def __init__(self, hidden: int, channels: int, num_layers: int, kernel: int) -> None:
        super().__init__()
        scales = [2, 1] * (num_layers // 2)
        self.layers = nn.ModuleList(
            ConvNormAct(hidden, hidden, kernel, scale=scale) for scale in scales
        )
        self.readout = Pointwise(hidden, channels)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            features = layer(features)
        return self.readout(self.layers[-1](features + skip))
