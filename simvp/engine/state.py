"""Everything that changes while a network is trained, so that a training can go on exactly.

What belongs to one process alone (its random numbers, its share of the loss) is kept for each.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from simvp.engine.optimizer import Optimizer
from simvp.errors import RunError
from simvp.models.simvp import SimVP
from simvp.runtime.group import Group

# Settings that checkpoints of version 1 do not record, because they had one value only.
_BEFORE_RECORDED = {"train.loss": "mse"}


@dataclass
class Progress:
    """How far the training is, the same in every process."""

    epoch: int = 0  # epochs completed
    batch: int = 0  # batches consumed of the epoch under way, by each process
    best_loss: float = math.inf
    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch


@dataclass
class TrainingLoss:
    """Sum and count of one process's losses in the epoch under way."""

    total: float = 0.0
    count: int = 0


@dataclass
class State:
    """The network and all that goes on beside its weights."""

    network: SimVP
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress = field(default_factory=Progress)
    loss: TrainingLoss = field(default_factory=TrainingLoss)

    def capture(self, group: Group, made_with: Mapping[str, Any]) -> dict[str, Any]:
        """The state as plain data and tensors. All processes call this.

        Args:
            made_with: what has to be the same when the training goes on, by a name for people.
        """
        own = {
            "rng": torch.get_rng_state(),
            "device_rng": _device_rng_state(group.device),
            "loss": asdict(self.loss),
        }
        per_rank = group.gather(own)
        group.share_buffers(self.network)
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": asdict(self.progress),
            "made_with": dict(made_with),
            "per_rank": per_rank,
        }

    def restore(
        self, content: Mapping[str, Any], group: Group, made_with: Mapping[str, Any]
    ) -> None:
        """Take up what `capture` gave. Raises RunError if it was made with something else."""
        recorded = {**_BEFORE_RECORDED, **content["made_with"]}
        changed = [
            f"{name}: {before} then, {made_with.get(name)} now"
            for name, before in recorded.items()
            if made_with.get(name) != before
        ]
        if changed:
            raise RunError(
                "cannot resume: these settings changed since the checkpoint: "
                + "; ".join(changed)
                + ". Restore them, or start another run with --name"
            )
        self.network.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        self.progress = Progress(**content["progress"])
        own = content["per_rank"][group.rank]
        self.loss = TrainingLoss(**own["loss"])
        torch.set_rng_state(own["rng"])
        if own["device_rng"] is not None and group.device.type == "cuda":
            torch.cuda.set_rng_state(own["device_rng"], group.device)


def _device_rng_state(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
