"""The SimVP network: reference outputs, grids of any size, long forecasts."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from helpers import GOLDEN

from simvp.engine.weights import load_openstl
from simvp.metrics import persistence
from simvp.models.simvp import SimVP, translators

PUBLISHED = sorted(path.stem for path in GOLDEN.glob("*.npz") if path.stem != "boiling")
SMALL = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 2.0}


def golden_network(name: str) -> tuple[SimVP, np.lib.npyio.NpzFile]:
    """The network of a golden file with its OpenSTL weights."""
    golden = np.load(GOLDEN / f"{name}.npz")
    config = json.loads(str(golden["__config__"]))
    network = SimVP(tuple(config.pop("in_shape")), **config).eval()
    load_openstl(
        network, {key: torch.from_numpy(golden[key]) for key in golden.files if key[0] != "_"}
    )
    return network, golden


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", PUBLISHED)
def test_translator_matches_openstl(name: str, memory_format: torch.memory_format) -> None:
    network, golden = golden_network(name)
    network = network.to(memory_format=memory_format)
    with torch.inference_mode():
        output = network(torch.from_numpy(golden["__x__"])).double().numpy()
    error = np.abs(output - golden["__y__"]).max() / np.abs(golden["__y__"]).max()
    assert error < 1e-5


def test_default_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = SimVP((10, 1, 64, 64))
    assert sum(p.numel() for p in network.parameters()) == 46_769_665


@pytest.mark.parametrize("num_steps", [2, 3, 7])
def test_long_forecast_feeds_the_output_back(num_steps: int) -> None:
    network = SimVP((3, 2, 12, 16), **SMALL).eval()
    frames = torch.rand(2, 3, 2, 12, 16)
    with torch.inference_mode():
        first = network(frames)
        second = network(first)
        third = network(second)
        expected = torch.cat([first, second, third], dim=1)[:, :num_steps]
        torch.testing.assert_close(network(frames, num_steps), expected, rtol=0, atol=0)


@pytest.mark.parametrize("takes_mask", [False, True])
def test_standardising_network_is_the_plain_one_on_standardised_frames(takes_mask: bool) -> None:
    torch.manual_seed(0)
    statistics = {"mean": (0.2, 0.7), "std": (0.1, 0.3)}
    network = SimVP((3, 2, 9, 11), **SMALL, **statistics, takes_mask=takes_mask).eval()
    # A plain network fills with its mean, which is 0 for standardised values.
    centred = {"mean": (0.0, 0.0), "takes_mask": True} if takes_mask else {}
    plain = SimVP((3, 2, 9, 11), **SMALL, **centred).eval()
    weights = {k: v for k, v in network.state_dict().items() if k not in ("mean", "std")}
    assert len(weights) + 2 == len(network.state_dict())
    plain.load_state_dict({**weights, **({"mean": plain.mean} if takes_mask else {})})
    mean, std = (torch.tensor(values).reshape(2, 1, 1) for values in statistics.values())
    frames = torch.rand(2, 3, 2, 9, 11)
    if takes_mask:
        frames[0, 1, 1, 2:5, 3] = torch.nan
    with torch.inference_mode():
        forecast = network(frames, 7)
        expected = plain((frames - mean) / std, 7) * std + mean
    assert forecast.isfinite().all()
    torch.testing.assert_close(forecast, expected, rtol=0, atol=1e-6)


def test_input_only_channels_influence_the_forecast_and_are_not_forecast() -> None:
    network = SimVP((3, 3, 9, 11), **SMALL, num_input_only=2)
    frames = torch.rand(2, 3, 3, 9, 11, requires_grad=True)
    forecast = network(frames)
    assert forecast.shape == (2, 3, 1, 9, 11)
    forecast.square().sum().backward()
    assert frames.grad is not None
    assert (frames.grad.abs().amax(dim=(0, 1, 3, 4)) > 0).all()


@pytest.mark.parametrize("takes_mask", [False, True])
def test_long_forecast_repeats_the_last_frame_of_input_only_channels(takes_mask: bool) -> None:
    statistics = {"mean": (0.2, 0.7, 0.4), "std": (0.1, 0.3, 2.0)}
    network = SimVP((3, 3, 12, 16), **SMALL, **statistics, takes_mask=takes_mask, num_input_only=1)
    network.eval()
    frames = torch.rand(2, 3, 3, 12, 16)
    if takes_mask:  # a hole of the last frame, so that the mask stays the same
        frames[0, :, 2, 3, 4] = torch.nan
    last = frames[:, -1:, 2:].expand(-1, 3, -1, -1, -1)
    with torch.inference_mode():
        first = network(frames)
        second = network(torch.cat([first, last], dim=2))
        third = network(torch.cat([second, last], dim=2))
        expected = torch.cat([first, second, third], dim=1)[:, :7]
        torch.testing.assert_close(network(frames, 7), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(9, 11), (16, 13), (7, 16)])
def test_grids_not_divisible_by_the_downsampling(size: tuple[int, int]) -> None:
    network = SimVP((3, 1, *size), **{**SMALL, "N_S": 4})
    assert network(torch.rand(2, 3, 1, *size)).shape == (2, 3, 1, *size)


def test_padding_to_a_divisible_grid_replicates_the_edge() -> None:
    network = SimVP((3, 1, 7, 8), **SMALL).eval()
    frames = torch.rand(1, 3, 1, 7, 8)
    padded = torch.cat([frames, frames[..., -1:, :]], dim=-2)
    with torch.inference_mode():
        torch.testing.assert_close(network(frames), network(padded)[..., :7, :])


def test_forecast_does_not_depend_on_other_samples_of_the_batch() -> None:
    network = SimVP((3, 1, 8, 12), **SMALL).eval()
    frames = torch.rand(3, 3, 1, 8, 12)
    with torch.inference_mode():
        torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"drop_path": 0.2}, [0.01, 0.105, 0.2]),  # as published
        ({"drop_path": 0.2, "drop_path_first": 0.0}, [0.0, 0.1, 0.2]),
    ],
)
def test_stochastic_depth_is_linear_from_the_first_block_to_the_last(
    settings: dict[str, float], expected: list[float]
) -> None:
    network = SimVP((3, 1, 8, 8), **{**SMALL, "N_T": 3}, **settings)
    probabilities = [stage.block.drop_path.p for stage in network.translator.stages]
    assert probabilities == pytest.approx(expected)


def test_unknown_translator_is_rejected_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="unknown translator 'gstaa'.*Did you mean 'gsta'"):
        SimVP((3, 1, 8, 8), model_type="gstaa")
    assert "gsta" in translators.names()


def test_periodic_network_commutes_with_translations() -> None:
    """Translations by multiples of the downsampling factor; zero padding breaks this."""
    frames = torch.rand(1, 3, 1, 16, 12)
    rolled = frames.roll((2, 4), (-2, -1))
    for kind, holds in [("periodic", True), ("zeros", False)]:
        torch.manual_seed(0)
        network = SimVP((3, 1, 16, 12), **SMALL, boundary=(kind, kind)).eval()
        with torch.inference_mode():
            same = torch.allclose(
                network(rolled), network(frames).roll((2, 4), (-2, -1)), atol=1e-5
            )
        assert same is holds


STATISTICS = {"mean": (0.2, 0.7, 0.4), "std": (0.1, 0.3, 2.0)}


@pytest.mark.parametrize("statistics", [{}, STATISTICS], ids=["plain", "standardised"])
def test_forecast_of_increments_starts_at_persistence_exactly(statistics: dict[str, Any]) -> None:
    scale = {"increment_scale": (0.02, 0.05), "num_input_only": 1}
    network = SimVP((3, 3, 9, 11), **SMALL, **statistics, **scale, block_frames=2).eval()
    frames = torch.rand(2, 5, 3, 9, 11)
    with torch.inference_mode():
        assert torch.equal(network(frames, 7), persistence(frames, 7)[:, :, :2])
    assert network(frames).shape == (2, 2, 2, 9, 11)


def test_increments_start_at_the_last_known_values() -> None:
    arguments = {"takes_mask": True, "increment_scale": (0.02, 0.05, 0.1), "block_frames": 1}
    network = SimVP((3, 3, 9, 11), **SMALL, **STATISTICS, **arguments).eval()
    frames = torch.rand(2, 3, 3, 9, 11)
    frames[0, 1:, 1, 2:5, 3] = torch.nan
    frames[1, :, 2, 4:, :2] = torch.nan  # land
    with torch.inference_mode():
        forecast = network(frames, 4)
    expected = persistence(frames, 4).clone()
    expected[1, :, 2, 4:, :2] = STATISTICS["mean"][2]
    assert torch.equal(forecast, expected)


@pytest.mark.parametrize("standardises", [False, True])
def test_pass_adds_scaled_increments_to_the_last_frame(standardises: bool) -> None:
    """The reference is a network of frames with the same weights."""
    torch.manual_seed(0)
    std = torch.tensor((0.1, 0.3)).reshape(2, 1, 1)
    statistics = {"mean": (0.2, 0.7), "std": (0.1, 0.3)} if standardises else {}
    frames_network = SimVP((3, 2, 9, 11), **SMALL, **statistics, block_frames=2).eval()
    scale = torch.tensor((0.02, 0.05)).reshape(2, 1, 1)
    increments = {"block_frames": 2, "increment_scale": (0.02, 0.05)}
    network = SimVP((3, 2, 9, 11), **SMALL, **statistics, **increments).eval()
    state = frames_network.state_dict()
    network.load_state_dict({**state, "increment_scale": scale})
    frames = torch.rand(2, 3, 2, 9, 11)
    with torch.inference_mode():
        window = frames
        for _ in range(2):
            output = frames_network(window[:, -3:])
            if standardises:
                output = (output - frames_network.mean) / std
            block = window[:, -1:] + (output * scale).cumsum(dim=1)
            window = torch.cat([window, block], dim=1)
        expected = window[:, 3:6]
        torch.testing.assert_close(network(frames, 3), expected, rtol=0, atol=1e-5)


def test_short_block_uses_the_latest_frames_and_all_parameters() -> None:
    network = SimVP((4, 1, 9, 11), **SMALL, block_frames=1)
    frames = torch.rand(2, 6, 1, 9, 11, requires_grad=True)
    network(frames, 3).square().sum().backward()
    assert frames.grad is not None
    reached = frames.grad.abs().amax(dim=(0, 2, 3, 4)) > 0
    assert reached.tolist() == [False, False, True, True, True, True]
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_gradients_flow_through_all_passes() -> None:
    """The derivative of a loss over three passes, compared with a finite difference."""
    torch.manual_seed(1)
    arguments = {"block_frames": 1, "increment_scale": (0.5,)}
    network = SimVP((2, 1, 9, 11), **SMALL, **arguments).double().eval()
    torch.nn.init.normal_(network.decoder.readout.weight, std=0.5)
    frames = torch.rand(1, 2, 1, 9, 11, dtype=torch.float64)
    weight = network.encoder.layers[0].conv.weight

    def loss() -> torch.Tensor:
        return network(frames, 3).square().mean()

    (gradient,) = torch.autograd.grad(loss(), weight)
    with torch.no_grad():
        sides = []
        for sign in (1, -1):
            weight[0, 0, 1, 2] += sign * 1e-5
            sides.append(loss())
            weight[0, 0, 1, 2] -= sign * 1e-5
    expected = (sides[0] - sides[1]) / 2e-5
    torch.testing.assert_close(gradient[0, 0, 1, 2], expected, rtol=1e-5, atol=1e-10)


def test_network_of_small_steps_can_be_exported_by_torch() -> None:
    arguments = {"takes_mask": True, "num_input_only": 1, "block_frames": 1}
    network = SimVP((2, 3, 9, 11), **SMALL, **STATISTICS, **arguments, increment_scale=(0.1, 0.2))
    torch.nn.init.normal_(network.eval().decoder.readout.weight)
    inputs, other = torch.rand(2, 3, 3, 9, 11), torch.rand(5, 3, 3, 9, 11)
    other[1, 2, 0, 4] = torch.nan
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (inputs, 3), dynamic_shapes=({0: batch}, None))
    found = program.module()(other, 3)
    assert found.isfinite().all()
    torch.testing.assert_close(found, network(other, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"N_T": 1}, "N_T = 1: should be 2 or more"),
        ({"N_S": 3}, "N_S = 3: should be an even number"),
        ({"hid_S": 0}, "hid_S = 0: should be an even number"),
        ({"boundary": "sphere"}, "should be one of zeros, periodic"),
        ({"boundary": ("zeros", "sphere")}, "should be one of zeros, periodic"),
    ],
)
def test_settings_are_checked_as_on_the_command_line(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimVP((3, 1, 8, 9), **{"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, **setting})


def test_one_boundary_is_that_of_both_axes() -> None:
    small = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
    torch.manual_seed(0)
    one = SimVP((3, 1, 8, 9), boundary="periodic", **small).eval()
    two = SimVP((3, 1, 8, 9), boundary=("periodic", "periodic"), **small).eval()
    two.load_state_dict(one.state_dict())
    frames = torch.rand(1, 3, 1, 8, 9)
    assert torch.equal(one(frames), two(frames))
