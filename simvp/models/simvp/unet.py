"""U-Net: the frames as channels of one field, on several scales.

B: batch; T: input frames; N: frames that a pass forecasts; C: channels of a frame, C' of which are
forecast, the first ones; H, W: height and width.
Sources: Ronneberger et al., arXiv 1505.04597; Liu et al., "A ConvNet for the 2020s", arXiv
2201.03545 (its blocks); Ohana et al., "The Well", arXiv 2412.00568 (the combination).
"""

from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from simvp.models.simvp.autoencoder import downsampling
from simvp.models.simvp.layers import ChannelNorm, DropPath, Mlp, Pointwise, depthwise
from simvp.models.simvp.network import Network
from simvp.models.simvp.spatial import SpatialConv
from simvp.physics import Boundary


class Block(nn.Module):
    """ConvNeXt block: (B, C, H, W), same shape out.

    Without the layer scale of the source, which is for networks that are much deeper.
    """

    def __init__(
        self, channels: int, kernel: int, mlp_ratio: float, drop: float, drop_path: float
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            depthwise(channels, kernel),
            ChannelNorm(channels),
            Mlp(channels, int(mlp_ratio * channels), drop=drop),
            DropPath(drop_path),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class UNet(Network):
    """ConvNeXt blocks on a grid that is halved from level to level, and on the way back.

    On the way back, the features of a level are concatenated with those of the way down. A forecast
    of frames is the difference from the last input frame, and at first it is 0, so that the network
    starts from persistence.

    Args:
        in_shape: (T, C, H, W) of the input frames of a sample.
        hid_S: channels of the finest level; each coarser level has twice as many.
        hid_T: most channels that a level has.
        N_S: twice the number of times that the grid is halved, even.
        N_T: blocks of a level, on each way.
        mlp_ratio: ratio of hidden to input channels in the MLPs.
        drop: dropout probability in the MLPs.
        drop_path_first, drop_path: stochastic depth rate of the first and the last block, linear in
            between.
        spatio_kernel_enc, spatio_kernel_dec: kernel size of the blocks on the way down and on the
            way back, odd.
        boundary: boundary conditions along y and x, as for `SimVP`.
        others: as for `Network`.
    Raises: ValueError if the boundary is not valid.
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        hid_S: int,
        hid_T: int,
        N_S: int,
        N_T: int,
        mlp_ratio: float = 4.0,
        drop: float = 0.0,
        drop_path: float = 0.0,
        drop_path_first: float = 0.0,
        spatio_kernel_enc: int = 7,
        spatio_kernel_dec: int = 7,
        boundary: Boundary | str = ("zeros", "zeros"),
        **others: Any,
    ) -> None:
        super().__init__(in_shape, **others)
        halvings = N_S // 2
        self.stride = downsampling(N_S)
        widths = [min(hid_S * 2**level, hid_T) for level in range(halvings + 1)]
        counts = [N_T] * halvings + [N_T + 1] + [N_T] * halvings
        linear = iter(np.linspace(drop_path_first, drop_path, sum(counts)).tolist())
        of_level = [list(islice(linear, count)) for count in counts]
        down, middle, up = of_level[:halvings], of_level[halvings], of_level[halvings + 1 :]

        def blocks(width: int, kernel: int, rates: list[float]) -> nn.Sequential:
            return nn.Sequential(*(Block(width, kernel, mlp_ratio, drop, rate) for rate in rates))

        levels = list(pairwise(widths))  # channels of a level, and of the next coarser one
        self.stem = SpatialConv(self.history * self.num_inputs, widths[0], 3)
        self.encoders = nn.ModuleList(
            blocks(width, spatio_kernel_enc, rates)
            for width, rates in zip(widths[:-1], down, strict=True)
        )
        self.mergers = nn.ModuleList(
            nn.Sequential(ChannelNorm(fine), nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse in levels
        )
        self.middle = blocks(widths[-1], spatio_kernel_dec, middle)
        self.splitters = nn.ModuleList(
            nn.Sequential(ChannelNorm(coarse), nn.ConvTranspose2d(coarse, fine, 2, stride=2))
            for fine, coarse in levels
        )
        self.joiners = nn.ModuleList(Pointwise(2 * fine, fine) for fine, _ in levels)
        self.decoders = nn.ModuleList(
            blocks(width, spatio_kernel_dec, rates)
            for width, rates in zip(widths[:-1], reversed(up), strict=True)
        )
        self.norm = ChannelNorm(widths[0])
        self.head = Pointwise(widths[0], self.block_frames * self.num_forecast)
        self._start_from_zero()
        self._set_boundary(boundary)

    @property
    def first(self) -> nn.Module:
        return self.stem

    @property
    def readout(self) -> nn.Module:
        return self.head

    def _next_block(self, frames: Tensor, mask: Tensor | None) -> Tensor:
        height, width = frames.shape[-2:]
        inputs = frames if mask is None else torch.cat([frames, mask], dim=2)
        x = self._pad(inputs.flatten(1, 2)).contiguous(memory_format=torch.channels_last)
        x = self._through_levels(self.stem(x))
        out = self.head(self.norm(x))[..., :height, :width]
        block = out.unflatten(1, (self.block_frames, self.num_forecast))
        return block if self.forecasts_increments else frames[:, -1:, : self.num_forecast] + block

    def _through_levels(self, x: Tensor) -> Tensor:
        """Features (B, `hid_S`, H, W) of the finest level, same shape out."""
        skips = []
        for encoder, merger in zip(self.encoders, self.mergers, strict=True):
            x = encoder(x)
            skips.append(x)
            x = merger(x)
        x = self.middle(x)
        levels = zip(self.splitters, self.joiners, self.decoders, skips, strict=True)
        for splitter, joiner, decoder, skip in reversed(list(levels)):
            x = decoder(joiner(torch.cat([splitter(x), skip], dim=1)))
        return x
