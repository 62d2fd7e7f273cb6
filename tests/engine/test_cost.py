"""Parameters and multiply-adds of a network."""

import pytest
from helpers import describe_data

from simvp.config import Config, assignment_layer, resolve
from simvp.data.batches import training_batches
from simvp.engine import network_cost
from simvp.engine.cost import WindowCost, training_activations, window_cost
from simvp.engine.recipes import resolve_recipe
from simvp.engine.schedule import num_passes
from simvp.errors import ConfigError


def cost(*assignments: str) -> tuple[int, int]:
    published = ["model.hid_S=64", "model.hid_T=512", "model.N_S=4", "model.boundary=zeros"]
    given = [*published, "model.standardize=false", "train.batch_size=8", *assignments]
    config = resolve([assignment_layer(text) for text in given])
    result = network_cost(config, describe_data((1, 64, 64)))
    return result.parameters, result.multiply_adds


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    # OpenSTL's tables for Moving MNIST, 10x1x64x64: parameters in millions, "FLOPs" in G.
    [("gsta", 46.77, 16.5), ("incepu", 58.0, 19.4), ("tau", 44.7, 16.0), ("convmixer", 3.9, 5.5)],
)
def test_cost_matches_openstl(name: str, parameters: float, multiply_adds: float) -> None:
    ours = cost(f"model.model_type={name}")
    assert ours[0] / 1e6 == pytest.approx(parameters, abs=0.06)
    assert ours[1] / 1e9 == pytest.approx(multiply_adds, abs=0.15)


def test_input_only_channels_cost_weights_of_the_first_layer_only() -> None:
    settings = ("model.boundary=zeros", "model.standardize=false", "train.batch_size=2")
    settings += ("model.model_type=gsta",)
    config = resolve([assignment_layer(text) for text in (*settings, "model.hid_S=8")])
    alone = network_cost(config, describe_data((1, 16, 24)))
    driven = network_cost(config, describe_data((3, 16, 24), inputs=("1", "2")))
    assert driven.parameters - alone.parameters == 2 * 8 * 3 * 3
    frames, cells = 10, 16 * 24
    assert driven.multiply_adds - alone.multiply_adds == frames * cells * 2 * 8 * 3 * 3


@pytest.mark.parametrize("name", ["hornet", "moganet", "swin", "vit", "uniformer", "incepu"])
def test_unsupported_number_of_channels_suggests_valid_ones(name: str) -> None:
    # IncepU has 8 groups if hid_T / 2 is divisible by 8, otherwise 1.
    widths = ("model.hid_T=496", "model.hid_S=6") if name == "incepu" else ("model.hid_T=500",)
    needed = "56 or 64" if name == "incepu" else "496 or 504"
    with pytest.raises(
        ConfigError, match=f"model.model_type = '{name}': .*use {needed}; the numbers"
    ):
        cost(f"model.model_type={name}", *widths)


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.77, 1.0])
def test_cost_of_training_is_that_of_its_steps(share: float, world_size: int) -> None:
    """The sum over the windows of each batch, as the training loop visits them."""
    windows, epochs = 23, 3
    train = {"recipe": "stepwise", "rollout_share": share, "windows_per_epoch": windows}
    config = resolve_recipe(
        Config.model_validate({"train": {**train, "epochs": epochs, "batch_size": 4}}), None
    )
    visits = {
        rank: [
            training_batches(
                *(40, 4), seed=0, epoch=epoch, rank=rank, world_size=world_size, visits=windows
            )
            for epoch in range(epochs)
        ]
        for rank in range(world_size)
    }
    expected = 0
    for batches_of_epochs in visits.values():
        sizes = [len(batch) for batches in batches_of_epochs for batch in batches]
        for step, size in enumerate(sizes):
            passes = num_passes(step, len(sizes), rollout=2, share=share)
            expected += size * {1: 10, 2: 27}[passes]
    assert training_activations(config, WindowCost(10, 27), world_size) == expected


def test_cost_of_a_window_is_that_of_its_passes() -> None:
    settings = ["model.boundary=zeros", "model.standardize=false", "train.recipe=stepwise"]
    settings += ["train.batch_size=2", "model.hid_S=8", "model.N_T=2"]
    settings += ["model.model_type=gsta"]
    config = resolve_recipe(resolve([assignment_layer(text) for text in settings]), None)
    data = describe_data((1, 16, 24))
    cost = window_cost(config, data)
    full, half = 16 * 24, 8 * 12
    encoder = 2 * 8 * (full + half)
    narrow, wide = (
        # attention: 1x1, 5x5, dilated, 1x1 to twice the channels, 1x1; MLP: 1x1, 3x3, 1x1
        (width + width + width + 2 * width + width + 8 * width + 8 * width + width) * half
        for width in (2 * 8, 64)
    )
    translator = narrow + 64 * half + wide + 2 * 8 * half
    decoder = 2 * (4 * 8 * half + 8 * full + full)
    assert cost.one_pass == encoder + translator + decoder
    assert cost.all_passes == 2 * cost.one_pass


def test_cost_of_a_window_for_the_unet() -> None:
    settings = ["model.boundary=zeros", "model.standardize=false", "train.recipe=stepwise"]
    settings += ["train.batch_size=2", "model.hid_S=8", "model.hid_T=12", "model.N_S=4"]
    config = resolve_recipe(resolve([assignment_layer(text) for text in settings]), None)
    cells = [16 * 24, 8 * 12, 4 * 6]
    widths = [8, 12, 12]

    def blocks(level: int, count: int) -> int:  # depthwise, to four times the channels, and back
        return count * cells[level] * (1 + 4 + 1) * widths[level]

    down = 8 * cells[0] + blocks(0, 2) + 12 * cells[1] + blocks(1, 2) + 12 * cells[2]
    up = 2 * 12 * cells[1] + blocks(1, 2) + 2 * 8 * cells[0] + blocks(0, 2)  # split and join
    cost = window_cost(config, describe_data((1, 16, 24)))
    assert cost.one_pass == down + blocks(2, 3) + up + 2 * cells[0]
