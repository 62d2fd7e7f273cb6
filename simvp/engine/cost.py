"""Number of parameters, operations and memory of a network, determined on the meta device."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine.network import build_network, count_parameters
from simvp.engine.recipes import resolve_recipe, trained_steps

# Weights, gradients and two moments of Adam, all in float32.
_BYTES_PER_PARAMETER = 16


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
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(inputs[:1], config.data.aft_seq_length)
    parameters = count_parameters(network)
    return Cost(
        parameters=parameters,
        multiply_adds=counter.get_total_flops() // 2,
        training_bytes=parameters * _BYTES_PER_PARAMETER + sum(saved_bytes.values()),
    )
