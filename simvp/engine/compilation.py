"""Compilation of the network for training steps.

Forecasts are not compiled, so that validation and `simvp test` compute the same. Neither are
smaller batches at the end of an epoch, for which recompilation would not pay off.
"""

from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import nn

from simvp.models.simvp import Network


def compiled(network: Network, device: torch.device) -> nn.Module:
    """The network, compiled as a whole.

    On a GPU, the kernels of a pass are replayed as a CUDA graph: starting them one by one from
    Python would take several times as long as small networks compute.
    """
    mode = "reduce-overhead" if device.type == "cuda" else None
    return cast(nn.Module, torch.compile(network, dynamic=False, mode=mode))


def compile_blocks(network: Network) -> None:
    """Compile each block of the network separately, for several processes.

    DDP can then exchange the gradients of a block while the backward pass continues. In a network
    compiled as a whole, all gradients would be ready only at the end of the backward pass.
    """
    blocks = list(_blocks(network))
    # Blocks of one class share their code, and each of them is compiled once per number of passes.
    options: Any = torch._dynamo.config
    options.recompile_limit = max(options.recompile_limit, 2 * len(blocks))
    for block in blocks:
        block.compile(dynamic=False)


def _blocks(module: nn.Module) -> list[nn.Module]:
    found = []
    for part in module.children():
        found += list(part) if isinstance(part, nn.ModuleList) else _blocks(part)
    return found


def uncompiled() -> AbstractContextManager[object]:
    """Context in which compiled modules run in eager mode."""
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
