"""Number of parameters, operations and memory of a network, determined on the meta device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine.network import build_network, count_parameters
from simvp.engine.recipes import resolve_recipe, trained_steps
from simvp.models.simvp import Network

# Weights, gradients and two moments of Adam, all in float32.
_BYTES_PER_PARAMETER = 16


# Layers whose outputs are counted as activations.
_COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Cost:
    """Cost of a network.

    Attributes:
        parameters: number of trainable parameters.
        multiply_adds: of convolutions and matrix products in the forecast of one sample.
        training_bytes: memory of weights, gradients, optimizer state, and of the tensors that a
            training step of one batch saves for the backward pass.
    """

    parameters: int
    multiply_adds: int
    training_bytes: int


@dataclass(frozen=True)
class WindowCost:
    """Activations of the forward passes for training on one window.

    These are the values that convolutions and linear layers compute. Their number tells more about
    the time of a step than multiply-adds do (Radosavovic et al., arXiv 2003.13678), because memory
    limits the speed of small networks. A step of one pass of 2 frames costs 6.0 times less than a
    step of the direct recipe by activations, 8.6 times less by multiply-adds, and took 6.3 times
    less time (default settings, 2 samples of 64x64, fp32, one core of an AMD EPYC).

    Attributes:
        one_pass: in the first steps, which train one pass.
        all_passes: in the last steps, which train `train.rollout` passes.
    """

    one_pass: int
    all_passes: int


def network_cost(config: Config, data: DataDescription) -> Cost:
    """Compute the cost of the network of `config` for such data.

    Raises: ConfigError if the network cannot be built.
    """
    config, meta = resolve_recipe(config, None), torch.device("meta")
    network = build_network(config, data, meta)
    batch = config.train.samples_per_step
    inputs = torch.empty(batch, network.history, *data.shape, device=meta)
    saved_bytes: dict[int, int] = {}  # by storage, because tensors can share one

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved_bytes[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        output = network(inputs, trained_steps(config))
    for parameter in network.parameters():
        saved_bytes.pop(parameter.untyped_storage()._cdata, None)
    del output  # Keeps all storages alive up to here, so that their addresses are unique.
    parameters = count_parameters(network)
    return Cost(
        parameters=parameters,
        multiply_adds=_multiply_adds(network, data, config.data.aft_seq_length),
        training_bytes=parameters * _BYTES_PER_PARAMETER + sum(saved_bytes.values()),
    )


def window_cost(config: Config, data: DataDescription) -> WindowCost:
    """Compute the cost of training the network of `config`, resolved, on a window of such data.

    Raises: ConfigError if the network cannot be built.
    """
    network = build_network(config, data, torch.device("meta"))
    return WindowCost(
        one_pass=_activations(network, data, trained_steps(config, 1)),
        all_passes=_activations(network, data, trained_steps(config)),
    )


def training_activations(config: Config, cost: WindowCost, world_size: int) -> int:
    """Activations of all forward passes of a training, over all processes.

    Args:
        config: resolved, with the number of windows in `train.windows_per_epoch`.
        cost: of a window.
    """
    train = config.train
    assert isinstance(train.rollout_share, float)
    share = math.ceil(train.windows_per_epoch / world_size)
    steps = math.ceil(share / train.samples_per_step)
    # As `num_passes`: the last steps train all passes. The last batch of an epoch can be smaller.
    epochs, rest = divmod(round(train.rollout_share * train.epochs * steps), steps)
    rolled_out = epochs * share + max(0, share - (steps - rest) * train.samples_per_step)
    one_pass = train.epochs * share - rolled_out
    return world_size * (one_pass * cost.one_pass + rolled_out * cost.all_passes)


def _multiply_adds(network: Network, data: DataDescription, num_steps: int) -> int:
    """Of the forecast of a sample; the network is on the meta device."""
    counter = FlopCounterMode(display=False)
    with counter:
        _forecast(network, data, num_steps)
    return counter.get_total_flops() // 2


def _activations(network: Network, data: DataDescription, num_steps: int) -> int:
    """Of the forecast of a sample; the network is on the meta device."""
    count = 0

    def add(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal count
        count += output.numel()

    layers = [part for part in network.modules() if isinstance(part, _COUNTED)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    _forecast(network, data, num_steps)
    for hook in hooks:
        hook.remove()
    return count


def _forecast(network: Network, data: DataDescription, num_steps: int) -> None:
    with torch.no_grad():
        network(torch.empty(1, network.history, *data.shape, device="meta"), num_steps)
