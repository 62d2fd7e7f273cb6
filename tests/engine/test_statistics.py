"""BatchNorm statistics."""

import torch
from torch import nn

from simvp.engine.statistics import recompute_statistics
from simvp.models.simvp import SimVP


def test_recomputed_statistics_match_those_of_the_batch() -> None:
    """Evaluation mode then gives the same forecast as training mode."""
    torch.manual_seed(0)
    network = SimVP((3, 1, 16, 16), hid_S=8, hid_T=16, N_S=2, N_T=2)
    frames = torch.rand(6, 3, 1, 16, 16)
    momenta = [m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    random_numbers = torch.get_rng_state()
    recompute_statistics(network, [frames])
    assert torch.equal(torch.get_rng_state(), random_numbers)
    assert not any(module.training for module in network.modules())
    assert [m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == momenta
    with torch.no_grad():
        with_running_stats = network(frames)
        for layer in network.modules():
            layer.train(isinstance(layer, nn.BatchNorm2d))
        with_batch_stats = network(frames)
    # Running variances are unbiased, those of a batch are biased.
    torch.testing.assert_close(with_running_stats, with_batch_stats, rtol=0, atol=2e-3)
