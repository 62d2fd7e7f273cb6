"""Muon: the nearest orthogonal matrix in place of a matrix's averaged gradient.

A step so moves all directions of a matrix alike, and gets further in few steps (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon; scaled as in Liu et al., arXiv 2502.16982).
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
# Of the odd polynomial of degree five that takes singular values towards one, fastest from zero.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """For weights (out, in) of linear maps and (out, in, H, W) of convolutions.

    PyTorch's own takes one matrix after another, and multiplies in bfloat16 whatever was asked for:
    on a processor that does not know the type, that takes longer than all the rest of a step.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float = 1e-2) -> None:
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change the weights that have a gradient, those of one shape together."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for weights in alike.values():
                directions = orthogonalize(torch.stack([self._average(w) for w in weights]))
                rows, columns = directions.shape[1:]
                # As long a step as Adam's for a weight.
                size = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                for weight, direction in zip(weights, directions, strict=True):
                    values = _outputs_first(weight.data)
                    values.sub_(direction.view(values.shape), alpha=size)

    def _average(self, weight: nn.Parameter) -> Tensor:
        """The gradient with Nesterov's momentum, as a matrix."""
        assert weight.grad is not None
        gradient = _outputs_first(weight.grad).flatten(1)
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average: Tensor = state["momentum_buffer"]
        average.lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(average, _MOMENTUM)


def orthogonalize(matrices: Tensor) -> Tensor:
    """(N, rows, columns) -> the same with all singular values near one, by Newton and Schulz.

    The products are in the precision of the autocast around, as the network's are.
    """
    a, b, c = _COEFFICIENTS
    x = matrices
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if is_tall else x).to(matrices.dtype)


def _outputs_first(weight: Tensor) -> Tensor:
    """(out, in) as it is, (out, in, H, W) as (out, H, W, in): a view, in its order in memory."""
    return weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight
