"""Recomputation of BatchNorm statistics for the current weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from simvp.models.simvp import Network


@torch.no_grad()
def recompute_statistics(network: Network, inputs: Iterable[Tensor]) -> None:
    """Set the running means and variances to averages over batches (B, T, C, H, W) of inputs.

    The statistics accumulated during training belong to earlier weights and degrade the forecasts
    of networks that train fast (Izmailov et al., arXiv 1803.05407, section 3.2). The network is in
    evaluation mode afterwards.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
        layer.train()
    for batch in inputs if layers else ():
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
