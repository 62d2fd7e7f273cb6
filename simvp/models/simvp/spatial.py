"""Convolution and pooling with the boundary conditions of the physics.

B: batch; C: channels; H, W: height and width. All tensors are in channels-last memory format.
"""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from simvp.models.simvp import depthwise, dilated
from simvp.models.simvp.padding import extend
from simvp.physics import Boundary

_ZEROS: Boundary = ("zeros", "zeros")
_PERIODIC: Boundary = ("periodic", "periodic")


class Spatial(nn.Module):
    """A layer that reads neighbouring cells, and therefore needs a boundary condition.

    Attributes:
        reach: distance to the farthest cell that it reads.
        boundary: along y and x; zeros, as in the published network, or that of `set_boundary`.
    """

    reach: int
    boundary: Boundary = _ZEROS

    @property
    def needs_extension(self) -> bool:
        return self.reach > 0 and self.boundary != _ZEROS


def set_boundary(module: nn.Module, boundary: Boundary) -> None:
    """Set the boundary condition of every spatial layer in `module`."""
    for part in module.modules():
        if isinstance(part, Spatial):
            part.boundary = boundary


class SpatialConv(Spatial, nn.Conv2d):
    """A convolution with an odd kernel and "same" padding.

    (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        reach = dilation * (kernel_size // 2)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=groups,
            padding=reach,
        )
        self.reach = reach

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padding, dilation = self.reach, self.dilation[0]
        if dilation > 1 and self.boundary == _PERIODIC and math.gcd(height * width, dilation) == 1:
            return self._periodic_dilated(x)
        if self.needs_extension:
            x, padding = extend(x, self.reach, self.boundary), 0
        if dilation == 1:
            return self._convolve(x, padding=padding)
        grids = self._convolve(dilated.split(x, dilation), padding=padding // dilation)
        return dilated.join(grids, dilation)[..., :height, :width]

    def _periodic_dilated(self, x: Tensor) -> Tensor:
        """The case of one subgrid: steps of d cells around the grid reach every cell."""
        dilation = self.dilation[0]
        back = (pow(dilation, -1, x.shape[-2]), pow(dilation, -1, x.shape[-1]))
        x = extend(x, self.reach // dilation, _PERIODIC, steps=(dilation, dilation))
        return extend(self._convolve(x, padding=0), 0, _PERIODIC, steps=back)

    def _convolve(self, x: Tensor, *, padding: int) -> Tensor:
        if self.groups == self.in_channels == self.out_channels and self.stride == (1, 1):
            return depthwise.convolve(x, self.weight, self.bias, padding=padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class SpatialMean(Spatial):
    """Mean of the neighbourhood of each cell. Zeros beyond the edges do not count: (B, C, H, W)."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size, self.reach = kernel_size, kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        if not self.needs_extension:
            return F.avg_pool2d(x, self.kernel_size, 1, self.reach, count_include_pad=False)
        return F.avg_pool2d(extend(x, self.reach, self.boundary), self.kernel_size, 1)
