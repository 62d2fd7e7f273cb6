"""Networks to compare with: a Fourier neural operator and a ConvNeXt U-Net.

Both map (B, in_channels, H, W) to (B, out_channels, H, W); frames are stacked along the channels.
B: batch; H, W: height and width.
"""

import torch
from torch import Tensor, nn

from simvp.models.simvp.layers import ChannelNorm, Mlp, Pointwise, depthwise
from simvp.models.simvp.padding import extend
from simvp.models.simvp.spatial import SpatialConv, set_boundary
from simvp.physics import Boundary

PEERS = ("fno", "unet")


def build(peer: str, in_channels: int, out_channels: int, boundary: Boundary) -> nn.Module:
    """The network of that name, with random weights; its last layer is called `readout`."""
    network = {"fno": FNO, "unet": UNet}[peer](in_channels, out_channels, boundary)
    return network.to(memory_format=torch.channels_last)


def count_parameters(network: nn.Module) -> int:
    """Number of real parameters; a complex one counts twice."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in network.parameters())


class FNO(nn.Module):
    """Fourier neural operator of the package `neuraloperator`.

    On a periodic grid it gets no coordinates, so that it commutes with shifts. Other fields are
    extended by an eighth beyond each edge, as the boundary says, and the forecast is cropped.

    Args:
        modes: number of modes along each axis, of both signs.
        width: channels.
    Source: Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations",
        arXiv 2010.08895.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        boundary: Boundary,
        *,
        modes: int = 16,
        width: int = 24,
        layers: int = 4,
    ) -> None:
        super().__init__()
        from neuralop import models  # not needed for the other network

        self.boundary = boundary
        self.is_periodic = boundary == ("periodic", "periodic")
        self.operator = models.FNO(
            n_modes=(modes, modes),
            in_channels=in_channels,
            out_channels=out_channels,
            hidden_channels=width,
            n_layers=layers,
            positional_embedding=None if self.is_periodic else "grid",
        )

    @property
    def readout(self) -> nn.Module:
        last: nn.Module = self.operator.projection.fcs[-1]
        return last

    def forward(self, x: Tensor) -> Tensor:
        if self.is_periodic:
            result: Tensor = self.operator(x)
            return result
        reach = max(x.shape[-2:]) // 8
        extended = extend(x, reach, self.boundary).contiguous()
        return self.operator(extended)[..., reach:-reach, reach:-reach]


class Block(nn.Module):
    """ConvNeXt block: (B, C, H, W), same shape out.

    Source: Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545; without the layer scale, which
        is for networks that are much deeper.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            depthwise(channels, 7), ChannelNorm(channels), Mlp(channels, 4 * channels, drop=0.0)
        )

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.branch(x)
        return x + branch


class UNet(nn.Module):
    """U-Net of ConvNeXt blocks, padded as the boundary says.

    The layout is that of the baseline of Ohana et al., "The Well", arXiv 2412.00568, with fewer
    channels: patches of 2x2 cells are merged from one level to the next, and the finer features
    are concatenated on the way back.

    Args:
        widths: channels of each level, the finest first.
        depth: blocks of each level, on the way down and again on the way up.
    Attributes:
        stride: the height and width of the frames must be multiples of it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        boundary: Boundary,
        *,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        depth: int = 2,
    ) -> None:
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.stride = 2 ** len(pairs)
        self.stem = SpatialConv(in_channels, widths[0], 3)
        self.encoders = nn.ModuleList(_blocks(width, depth) for width in widths[:-1])
        self.mergers = nn.ModuleList(
            nn.Sequential(ChannelNorm(fine), nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse in pairs
        )
        self.middle = _blocks(widths[-1], depth + 1)
        self.splitters = nn.ModuleList(
            nn.Sequential(ChannelNorm(coarse), nn.ConvTranspose2d(coarse, fine, 2, stride=2))
            for fine, coarse in pairs
        )
        self.joiners = nn.ModuleList(Pointwise(2 * fine, fine) for fine, _ in pairs)
        self.decoders = nn.ModuleList(_blocks(width, depth) for width in widths[:-1])
        self.norm, self.readout = ChannelNorm(widths[0]), Pointwise(widths[0], out_channels)
        set_boundary(self, boundary)

    def forward(self, x: Tensor) -> Tensor:
        assert not any(size % self.stride for size in x.shape[-2:])
        x, skips = self.stem(x.contiguous(memory_format=torch.channels_last)), []
        for encoder, merger in zip(self.encoders, self.mergers, strict=True):
            x = encoder(x)
            skips.append(x)
            x = merger(x)
        x = self.middle(x)
        levels = zip(self.splitters, self.joiners, self.decoders, skips, strict=True)
        for splitter, joiner, decoder, skip in reversed(list(levels)):
            x = decoder(joiner(torch.cat([splitter(x), skip], dim=1)))
        forecast: Tensor = self.readout(self.norm(x))
        return forecast


def _blocks(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels) for _ in range(depth)))
