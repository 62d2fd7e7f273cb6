"""What a network costs, found without computing anything: on tensors that have only shapes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from simvp.config import Config
from simvp.engine.network import build_network, count_parameters

# float32 weights, their gradients, and Adam's two averages.
_BYTES_PER_PARAMETER = 16


@dataclass(frozen=True)
class Cost:
    """Attributes:
    parameters: number of learned values.
    multiply_adds: of convolutions and matrix products, in one forecast of one sample.
    training_bytes: weights, gradients, optimizer, and what a training step of one batch keeps
        for the backward pass.
    """

    parameters: int
    multiply_adds: int
    training_bytes: int


def network_cost(config: Config, frame_shape: tuple[int, int, int]) -> Cost:
    """The cost of the network that the config describes, for frames (C, H, W).

    Raises: ConfigError if the config does not describe a network.
    """
    meta = torch.device("meta")
    network = build_network(config, frame_shape, meta)
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    batch = config.train.samples_per_step
    inputs = torch.empty(batch, pre, *frame_shape, device=meta)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        counter = FlopCounterMode(display=False)
        with counter:
            output = network(inputs, aft)
    for parameter in network.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    del output  # until here, so that no storage's address was used twice
    parameters = count_parameters(network)
    return Cost(
        parameters=parameters,
        multiply_adds=counter.get_total_flops() // (2 * batch),
        training_bytes=parameters * _BYTES_PER_PARAMETER + sum(kept.values()),
    )
