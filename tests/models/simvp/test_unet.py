"""The U-Net: a plain reference, symmetries, grids of any size, and what it starts from."""

from typing import Any

import pytest
import torch
from plain import PlainUNet
from torch import nn

from simvp.models.simvp import UNet
from simvp.models.simvp.layers import DropPath

SMALL: dict[str, Any] = {"hid_S": 4, "hid_T": 12, "N_S": 4, "N_T": 2}
STATISTICS = {"mean": (0.2, 0.7, 0.5), "std": (0.1, 0.3, 0.2)}


def trained(network: UNet) -> UNet:
    """With a readout that is not 0, as after training, in evaluation mode."""
    nn.init.normal_(network.head.weight, std=0.5)
    return network.eval()


def test_parameters_are_those_of_its_layers() -> None:
    network = UNet((3, 2, 16, 16), **SMALL)

    def convolution(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size**2 + outputs

    def block(width: int) -> int:  # depthwise 7x7, LayerNorm, to four times the channels and back
        mlp = convolution(width, 4 * width, 1) + convolution(4 * width, width, 1)
        return 49 * width + width + 2 * width + mlp

    expected = convolution(3 * 2, 4, 3) + 2 * 4 + convolution(4, 3 * 2, 1)  # first and last
    for fine, coarse in ((4, 8), (8, 12)):
        expected += 4 * block(fine) + convolution(2 * fine, fine, 1)
        expected += 2 * fine + convolution(fine, coarse, 2)
        expected += 2 * coarse + convolution(coarse, fine, 2)
    expected += 3 * block(12)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_output_is_that_of_plain_convolutions() -> None:
    """In contiguous memory, without the convolutions of simvp and without recomputation."""
    network = trained(UNet((3, 2, 16, 24), **SMALL)).double()
    plain = PlainUNet((3, 2, 16, 24), **SMALL).double().eval()
    plain.load_state_dict(network.state_dict())
    frames = torch.rand(2, 3, 2, 16, 24, dtype=torch.float64)
    fast = network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(fast(frames, 5), plain(frames, 5), rtol=0, atol=1e-10)


@pytest.mark.parametrize("takes_mask", [False, True])
def test_forecast_starts_from_persistence(takes_mask: bool) -> None:
    """At first the network repeats the last frame, and forecasts only what is to be forecast."""
    arguments = {**STATISTICS, "takes_mask": takes_mask, "num_input_only": 1}
    network = UNet((3, 3, 9, 11), **SMALL, **arguments)
    frames = torch.rand(2, 3, 3, 9, 11)
    expected = frames[:, -1:, :2].expand(-1, 7, -1, -1, -1).clone()
    torch.testing.assert_close(network(frames, 7), expected, rtol=0, atol=1e-6)
    if takes_mask:
        frames[0, 2, 1, 4, 5] = torch.nan
        expected[0, :, 1, 4, 5] = 0.7  # the mean
        torch.testing.assert_close(network(frames, 7), expected, rtol=0, atol=1e-6)
    network = UNet((3, 3, 9, 11), **SMALL, **arguments, increment_scale=(0.1, 0.2), block_frames=2)
    expected[0, :, 1, 4, 5] = frames[0, 1, 1, 4, 5] if takes_mask else frames[0, 2, 1, 4, 5]
    assert torch.equal(network(frames, 7), expected)  # the last known value of each cell


def test_forecast_of_a_shifted_periodic_field_is_shifted() -> None:
    """By multiples of the stride; an edge would show if a layer did not wrap around."""
    network = trained(UNet((3, 1, 16, 24), **SMALL, boundary="periodic"))
    frames = torch.rand(2, 3, 1, 16, 24)
    with torch.inference_mode():
        expected = network(frames).roll((4, 8), (-2, -1))
        found = network(frames.roll((4, 8), (-2, -1)))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    zeros = trained(UNet((3, 1, 16, 24), **SMALL))
    assert not torch.allclose(zeros(frames.roll(4, -1)), zeros(frames).roll(4, -1), atol=1e-3)


@pytest.mark.parametrize(
    ("boundary", "is_constant"), [("replicate", True), ("reflect", True), ("zeros", False)]
)
def test_constant_fields_stay_constant_unless_zeros_are_beyond_the_edges(
    boundary: str, is_constant: bool
) -> None:
    # Several levels would split each cell of the coarsest one into unequal ones.
    one_level = {**SMALL, "N_S": 0}
    network = trained(UNet((2, 1, 16, 24), **one_level, boundary=boundary))
    frames = torch.rand(1, 2, 1, 1, 1).expand(1, 2, 1, 16, 24)
    forecast = network(frames)
    first = forecast[..., :1, :1].expand_as(forecast)
    assert torch.allclose(forecast, first, rtol=0, atol=1e-5) == is_constant


@pytest.mark.parametrize("size", [(7, 8), (9, 11), (16, 13)])
def test_frames_are_extended_to_the_stride(size: tuple[int, int]) -> None:
    """A frame is extended by its last row and column, and the forecast is cropped."""
    network = trained(UNet((2, 1, *size), **SMALL))
    frames = torch.rand(1, 2, 1, *size)
    rows, columns = (-x % 4 for x in size)
    extended = nn.functional.pad(frames.flatten(0, 1), (0, columns, 0, rows), mode="replicate")
    with torch.inference_mode():
        found = network(frames)
        expected = network(extended.unflatten(0, (1, 2)))[..., : size[0], : size[1]]
    assert found.shape == (1, 2, 1, *size)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_stochastic_depth_is_linear_in_the_blocks() -> None:
    network = UNet((2, 1, 8, 8), **SMALL, drop=0.3, drop_path_first=0.1, drop_path=0.6)
    rates = [part.p for part in network.modules() if isinstance(part, DropPath)]
    # Down, back and the middle, as they are registered.
    down, middle, up = [0.1, 0.15, 0.2, 0.25], [0.3, 0.35, 0.4], [0.45, 0.5, 0.55, 0.6]
    assert rates == pytest.approx(down + middle + up[2:] + up[:2])
    drops = [p.p for p in network.modules() if isinstance(p, nn.Dropout)]
    assert drops.count(0.3) - rates.count(0.3) == 11


def test_all_parameters_are_trained() -> None:
    network = UNet((3, 2, 9, 11), **SMALL)
    nn.init.normal_(network.head.weight)
    network(torch.rand(2, 3, 2, 9, 11)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
