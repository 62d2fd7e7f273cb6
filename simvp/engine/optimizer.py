"""Adam, optionally with Muon for weight matrices."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from simvp.config.training import TrainSection
from simvp.engine.muon import Muon
from simvp.models.simvp import Network


class Optimizer:
    """Adam, or Muon with Adam for the weights that are not matrices (`train.optimizer`)."""

    def __init__(self, settings: TrainSection, network: Network) -> None:
        matrices = list(_hidden_weights(network)) if settings.optimizer == "muon" else []
        muon_weights = set(matrices)
        others = [p for p in network.parameters() if p not in muon_weights]
        self.parts: dict[str, tuple[torch.optim.Optimizer, float]] = {
            "adam": (torch.optim.Adam(others, fused=True), settings.peak_lr)
        }
        if matrices:
            self.parts["muon"] = (Muon(matrices), settings.muon_lr)

    def step(
        self, scaler: torch.amp.GradScaler, *, lr_factor: float, beta1: float, skip: Tensor
    ) -> None:
        """Update the weights and clear their gradients.

        Args:
            scaler: if it is enabled, its own check of the gradients takes the place of `skip`.
            lr_factor: learning rate relative to the peak learning rate of each optimizer.
            beta1: momentum of Adam.
            skip: (), on the device; true leaves weights and optimizer state unchanged.
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


def _hidden_weights(network: Network) -> Iterator[nn.Parameter]:
    """Weight matrices of hidden layers, without the first and last layer of the network."""
    first_and_last = (network.first, network.readout)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module not in first_and_last:
            # The weights of grouped convolutions are not one matrix.
            if getattr(module, "groups", 1) == 1:
                yield cast(nn.Parameter, module.weight)
