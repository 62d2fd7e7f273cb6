"""Networks to compare with: a Fourier neural operator, and the U-Net of simvp itself.

Both map (B, in_channels, H, W) to (B, out_channels, H, W); frames are stacked along the channels.
B: batch; H, W: height and width.
"""

import torch
from torch import Tensor, nn

from simvp.models import simvp as models
from simvp.models.simvp.padding import extend
from simvp.physics import Boundary

PEERS = ("fno", "unet")
UNET_SIZES = {"hid_S": 16, "hid_T": 128, "N_S": 6, "N_T": 2}  # the default network's


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
        import neuralop  # not needed for the other network

        self.boundary = boundary
        self.is_periodic = boundary == ("periodic", "periodic")
        self.operator = neuralop.models.FNO(
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


class UNet(models.UNet):
    """The U-Net of simvp as a plain map of fields, with random weights in its last layer."""

    def __init__(self, in_channels: int, out_channels: int, boundary: Boundary) -> None:
        super().__init__(
            (1, in_channels, 8, 8),
            **UNET_SIZES,
            boundary=boundary,
            num_input_only=in_channels - out_channels,
            increment_scale=(1.0,) * out_channels,  # so that no frame is added to its output
        )
        self.head.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self._next_block(x.unsqueeze(1), None).squeeze(1)
