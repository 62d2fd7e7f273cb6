"""BatchNorm's statistics for the weights as they are."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from simvp.models.simvp import SimVP


@torch.no_grad()
def recompute_statistics(network: SimVP, inputs: Iterable[Tensor]) -> None:
    """Average means and variances over batches of `inputs`, (B, T, C, H, W) each.

    Those that were gathered in training are of weights that have changed since; a network that
    learns fast forecasts badly with them (Izmailov et al., arXiv 1803.05407, section 3.2).
    The network is left in evaluation mode.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average
        layer.train()
    for batch in inputs if layers else ():
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
