"""How gradients change the weights: by Adam, or by Muon where they are matrices."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from simvp.config.sections import TrainSection
from simvp.engine.muon import Muon
from simvp.models.simvp import SimVP


class Optimizer:
    """Adam alone or with Muon, as `train.optimizer` says, under one schedule."""

    def __init__(self, settings: TrainSection, network: SimVP) -> None:
        matrices = list(_hidden_weights(network)) if settings.optimizer == "muon" else []
        known = set(matrices)
        others = [p for p in network.parameters() if p not in known]
        self.parts: dict[str, tuple[torch.optim.Optimizer, float]] = {
            "adam": (torch.optim.Adam(others, fused=True), settings.lr)
        }
        if matrices:
            self.parts["muon"] = (Muon(matrices), settings.muon_lr)

    def step(
        self, scaler: torch.amp.GradScaler, *, lr_factor: float, beta1: float, skip: Tensor
    ) -> None:
        """Change the weights, and clear their gradients.

        Args:
            scaler: if it is enabled, its own check of the gradients takes the place of `skip`.
            lr_factor: the share of the peak learning rates to use.
            beta1: Adam's momentum.
            skip: (), on the device; true leaves the weights and the optimizers' state as they are.
        """
        for part, peak_lr in self.parts.values():
            for parameters in part.param_groups:
                parameters["lr"] = lr_factor * peak_lr
                if "betas" in parameters:
                    parameters["betas"] = (beta1, parameters["betas"][1])
            if not scaler.is_enabled():
                # The attribute by which GradScaler tells fused optimizers to skip a step on the
                # device, without reading the flag on the host.
                part.found_inf = skip.float()  # type: ignore[attr-defined]
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
