"""Compilation of the network for training steps.

Forecasts are not compiled, so that validation and `simvp test` compute the same. Neither are
smaller batches at the end of an epoch, for which recompilation would not pay off.
"""

from contextlib import AbstractContextManager

import torch
from torch import nn


def compile_blocks(module: nn.Module) -> None:
    """Compile each block of the network separately.

    DDP can then exchange the gradients of a block while the backward pass continues. In a network
    compiled as a whole, all gradients would be ready only at the end of the backward pass.
    """
    for part in module.children():
        if isinstance(part, nn.ModuleList):
            for block in part:
                block.compile(dynamic=False, isolate_recompiles=True)
        else:
            compile_blocks(part)


def uncompiled() -> AbstractContextManager[object]:
    """Context in which compiled modules run in eager mode."""
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
