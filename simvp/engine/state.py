"""The complete state of a training run, for checkpoints from which it resumes exactly."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from simvp.config import Config
from simvp.data.batches import WindowDataset
from simvp.engine.history import Progress
from simvp.engine.optimizer import Optimizer
from simvp.engine.weights import with_current_names
from simvp.errors import RunError
from simvp.models.simvp import Network
from simvp.runs import RunFolder
from simvp.runtime.group import Group
from simvp.storage import checkpoint

# What checkpoints of earlier versions do not record, because it had one value only.
_BEFORE_RECORDED: dict[str, Any] = {
    "model.target": "frames",
    "train.windows_per_epoch": 0,
    "train.val_interval": 1,
    "train.input_noise": 0.0,
    "train.loss": "mse",
    "model.standardize": False,
    "model.drop_path_first": 0.01,
    "vectors of the data card": [],
}

# Settings that were the number of input frames then.
_FRAMES_PER_PASS = ("model.history", "model.block_frames")


# Settings that may change when a run is resumed. Results depend on none of them except the number
# of epochs, which stretches the schedule.
_FREE_TO_CHANGE = {
    "train.epochs",
    "train.minutes",
    "train.checkpoint_interval",
    "train.checkpoint_every_minutes",
    "train.val_batch_size",
    "train.init_from",
    "train.members",
}


@dataclass
class TrainingLoss:
    """Sum of sample losses, number of samples and duration of one process in the current epoch."""

    total: float = 0.0
    count: int = 0
    seconds: float = 0.0

    @property
    def samples_per_second(self) -> float:
        return self.count / self.seconds if self.seconds else math.nan


@dataclass
class State:
    """Network, optimizer, progress and random number generators."""

    network: Network
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress = field(default_factory=Progress)
    loss: TrainingLoss = field(default_factory=TrainingLoss)

    def capture(self, group: Group, fixed_settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state as plain data and tensors. All processes have to call this.

        Args:
            fixed_settings: settings that must not change when the run is resumed, by display name.
        """
        local_state = {
            "rng": torch.get_rng_state(),
            "device_rng": _device_rng_state(group.device),
            "loss": asdict(self.loss),
        }
        per_rank = group.gather(local_state)
        group.broadcast_buffers(self.network)
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": asdict(self.progress),
            "made_with": dict(fixed_settings),
            "per_rank": per_rank,
        }

    def restore(
        self, content: Mapping[str, Any], group: Group, fixed_settings: Mapping[str, Any]
    ) -> None:
        """Restore a captured state. Raises RunError if `fixed_settings` have changed."""
        with _reporting_damage():
            self._restore(content, group, fixed_settings)

    def _restore(
        self, content: Mapping[str, Any], group: Group, fixed_settings: Mapping[str, Any]
    ) -> None:
        before = content["made_with"]
        frames = dict.fromkeys(_FRAMES_PER_PASS, before["data.pre_seq_length"])
        recorded = {**_BEFORE_RECORDED, **frames, **before}
        check_unchanged(recorded, fixed_settings)
        TypeAdapter(Progress).validate_python(content["progress"])
        checkpoint.load_into(self.network, with_current_names(content["model"]))
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        self.progress = Progress(**content["progress"])
        local_state = content["per_rank"][group.rank]
        # Checkpoints of earlier versions do not contain the seconds.
        seconds = math.nan if local_state["loss"]["count"] else 0.0
        self.loss = TrainingLoss(**{"seconds": seconds, **local_state["loss"]})
        torch.set_rng_state(local_state["rng"])
        if local_state["device_rng"] is not None and group.device.type == "cuda":
            torch.cuda.set_rng_state(local_state["device_rng"], group.device)


@contextmanager
def _reporting_damage() -> Iterator[None]:
    """Turn the errors of a checkpoint whose content is not that of a training into a RunError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise RunError(
            f"cannot resume: the checkpoint does not hold the state of a training "
            f"({type(error).__name__}: {reason}); restore another one from a backup, or start over "
            "with --overwrite"
        ) from error


def fixed_settings_of(config: Config) -> dict[str, Any]:
    """The settings, by dotted key, that must be the same when a run is resumed."""
    return {
        f"{section}.{key}": value
        for section in ("model", "train", "metrics")
        for key, value in getattr(config, section).model_dump().items()
        if f"{section}.{key}" not in _FREE_TO_CHANGE
    }


def is_of_version_1(content: Mapping[str, Any]) -> bool:
    """Whether version 1 wrote a training checkpoint, which trained on windows of its own choice."""
    made_with = content.get("made_with")
    return isinstance(made_with, dict) and "number of forecast channels" not in made_with


def samples_as_in_version_1(
    train_set: WindowDataset, val_set: WindowDataset, folder: RunFolder
) -> dict[str, str]:
    """The entries of `made_with` for the samples, as version 1 wrote them.

    Raises: RunError if the data sets have other windows than those of version 1.
    """
    found = {}
    for part, dataset in (("training", train_set), ("validation", val_set)):
        fingerprint = dataset.fingerprint_of_version_1()
        if fingerprint is None:
            raise RunError(
                f"{folder.path}: cannot resume: version 1 of simvp began this run with the first "
                f"{dataset.window} frames of each {part} sample, but this version uses all of its "
                f"frames; start a new run from its weights with --name NAME --init-from "
                f"{folder.model_file}"
            )
        found[f"{part} samples"] = fingerprint
    return found


def check_unchanged(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Raises RunError that names the entries that differ."""
    changed = [
        f"other {name}" if "samples" in name else f"{name} was {before}, now {current.get(name)}"
        for name, before in recorded.items()
        if current.get(name) != before
    ]
    if changed:
        raise RunError(
            "cannot resume: this has changed since the training began: "
            + "; ".join(changed)
            + ". Use what it began with, or start a new run with --name"
        )


def _device_rng_state(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
