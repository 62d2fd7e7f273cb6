"""Convolutions with boundary conditions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from simvp.models.simvp.padding import extend
from simvp.models.simvp.spatial import SpatialConv, set_boundary
from simvp.physics import Boundary


@pytest.mark.parametrize("boundary", ["zeros", "periodic", "reflect", "replicate"])
@pytest.mark.parametrize(("height", "width", "dilation"), [(16, 8, 3), (12, 16, 3), (10, 7, 2)])
def test_dilated_convolution_matches_pytorch(
    boundary: str, height: int, width: int, dilation: int
) -> None:
    """For grid sizes that are multiples of the dilation and for others."""
    torch.manual_seed(0)
    kinds: Boundary = (boundary, boundary)  # type: ignore[assignment]
    layer = SpatialConv(6, 6, 5, dilation=dilation, groups=6).double()
    set_boundary(layer, kinds)
    x = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    extended = extend(x, layer.reach, kinds)
    expected = F.conv2d(extended, layer.weight, layer.bias, dilation=dilation, groups=6)
    torch.testing.assert_close(layer(x), expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), x) for y in (layer(x), expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", ["periodic", "reflect", "replicate"])
@pytest.mark.parametrize("reach", [1, 5])  # 5: beyond the grid
def test_gradient_of_the_boundary_extension(kind: str, reach: int) -> None:
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: extend(x, reach, (kind, kind)), x)


@pytest.mark.parametrize("size", [16, 4])
@pytest.mark.parametrize(
    ("kind", "mode"), [("periodic", "wrap"), ("reflect", "reflect"), ("replicate", "edge")]
)
def test_boundary_extension_matches_numpy_pad(kind: str, mode: str, size: int) -> None:
    x = torch.rand(2, 3, size, size + 1)
    reach = 9  # beyond the smaller grid
    padding = [(0, 0), (0, 0), (reach, reach), (reach, reach)]
    np.testing.assert_array_equal(extend(x, reach, (kind, kind)), np.pad(x, padding, mode))
    along_x = np.pad(np.pad(x, padding[:3] + [(0, 0)]), [(0, 0)] * 3 + [(reach, reach)], mode)
    np.testing.assert_array_equal(extend(x, reach, ("zeros", kind)), along_x)
