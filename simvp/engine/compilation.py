"""Compiling the network, for the steps of training alone.

Forecasts are computed as `simvp test` computes them, without a compiler; so are batches of another
size than the usual one, the last of an epoch, for which compiling anew would take longer.
"""

from contextlib import AbstractContextManager

import torch
from torch import nn


def compile_blocks(module: nn.Module) -> None:
    """Compile each of the blocks that the network is a chain of, by itself.

    A block's gradients so leave for the other processes as soon as it has them; those of a network
    compiled whole would all come at the end of the backward pass.
    """
    for part in module.children():
        if isinstance(part, nn.ModuleList):
            for block in part:
                block.compile(dynamic=False, isolate_recompiles=True)
        else:
            compile_blocks(part)


def uncompiled() -> AbstractContextManager[object]:
    """While the context lasts, what was compiled runs as it was written."""
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
