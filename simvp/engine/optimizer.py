"""How gradients change the weights: by Adam, or by Muon where they are matrices.

Muon takes the nearest orthogonal matrix in place of a matrix's averaged gradient, so that a step
moves all its directions alike (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon;
scaled as in Liu et al., arXiv 2502.16982). It gets further in few steps.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from simvp.config.sections import TrainSection
from simvp.model import SimVP


class Optimizer:
    """Adam alone or with Muon, as `train.optimizer` says, under one schedule."""

    def __init__(self, settings: TrainSection, network: SimVP) -> None:
        weights = list(_hidden_weights(network)) if settings.optimizer == "muon" else []
        # Views of the weights as matrices: torch's Muon knows nothing else.
        self.matrices = {weight: nn.Parameter(_as_matrix(weight.detach())) for weight in weights}
        others = [p for p in network.parameters() if p not in self.matrices]
        self.parts: dict[str, tuple[torch.optim.Optimizer, float]] = {
            "adam": (torch.optim.Adam(others, fused=True), settings.lr)
        }
        if weights:
            muon = torch.optim.Muon(
                self.matrices.values(), weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            )
            self.parts["muon"] = (muon, settings.muon_lr)

    def step(self, scaler: torch.amp.GradScaler, *, lr_factor: float, beta1: float) -> None:
        """Change the weights, and forget their gradients.

        Args:
            lr_factor: the share of the peak learning rates to use.
            beta1: Adam's momentum.
        """
        for weight, matrix in self.matrices.items():
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
            weight.grad = None
        for part, peak_lr in self.parts.values():
            for parameters in part.param_groups:
                parameters["lr"] = lr_factor * peak_lr
                if "betas" in parameters:
                    parameters["betas"] = (beta1, parameters["betas"][1])
            scaler.step(part)
            part.zero_grad()
        scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, (part, _) in self.parts.items()}

    def load_state_dict(self, content: Mapping[str, Any]) -> None:
        for name, (part, _) in self.parts.items():
            part.load_state_dict(content[name])


def _hidden_weights(network: SimVP) -> Iterator[nn.Parameter]:
    """The weights that mix features with features; not those that read frames or write them."""
    ends = (network.encoder.layers[0].conv, network.decoder.readout)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module not in ends:
            # A convolution in groups is several matrices, that of each channel by itself none.
            if getattr(module, "groups", 1) == 1:
                yield cast(nn.Parameter, module.weight)


def _as_matrix(weight: Tensor) -> Tensor:
    """(out, in) as it is; (out, in, H, W) in channels-last order -> (out, H * W * in)."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight
