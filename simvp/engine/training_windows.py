"""The windows that training visits, in an order and with transformations that are pure functions.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from simvp.config.training import TrainSection
from simvp.data import augmentation
from simvp.data.augmentation import Vector
from simvp.data.batches import WindowDataset, batches, training_batches
from simvp.engine.validation import num_statistics_windows
from simvp.physics import parse_symmetries
from simvp.runtime.group import Group


class TrainingWindows:
    """One process's windows of each epoch.

    Attributes:
        vectors: channels that are components of vectors, if the symmetries change them.
    """

    def __init__(
        self,
        train_set: WindowDataset,
        settings: TrainSection,
        group: Group,
        vectors: Sequence[Vector],
    ) -> None:
        self.train_set, self.settings, self.group = train_set, settings, group
        self.symmetries = parse_symmetries(settings.augment)
        # Rolling leaves components as they are.
        self.vectors = vectors if {*self.symmetries} - {"roll"} else ()

    def epoch(self, epoch: int) -> list[list[int]]:
        """The indices of the windows in each batch of an epoch."""
        return training_batches(
            len(self.train_set),
            self.settings.samples_per_step,
            seed=self.settings.seed,
            epoch=epoch,
            rank=self.group.rank,
            world_size=self.group.world_size,
            visits=self.settings.windows_per_epoch,
        )

    def transform(self, frames: Tensor, indices: Tensor, epoch: int) -> Tensor:
        """Frames (B, T, C, H, W), each window transformed by a random symmetry of the data."""
        if not self.symmetries:
            return frames
        transformations = augmentation.draw(
            self.symmetries,
            self.train_set.shape[1:],
            seed=self.settings.seed,
            epoch=epoch,
            samples=indices.tolist(),
        )
        return augmentation.apply(frames, transformations, self.vectors)

    def inputs(
        self, epoch: int, num_frames: int, should_stop: Callable[[], bool]
    ) -> Iterator[Tensor]:
        """The first frames of some windows, transformed as in this epoch, in batches."""
        visits = self.settings.windows_per_epoch or len(self.train_set)
        count = math.ceil(num_statistics_windows(visits) / self.settings.samples_per_step)
        device, some = self.group.device, self.epoch(epoch)[:count]
        for indices, frames in batches(self.train_set, some, device.type, should_stop=should_stop):
            moved = frames.to(device, non_blocking=True)
            yield self.transform(moved, indices, epoch)[:, :num_frames]

    def at_fault(self, indices: Sequence[Tensor], losses: Sequence[float]) -> tuple[int, list[str]]:
        """The first step of this process whose loss is not finite, and samples at fault.

        All processes have to call this.

        Args:
            indices, losses: the windows and the loss of each step.
        Returns: the position of the step, 0 if every loss is finite; ids of samples of the windows
            in the first such step of each process.
        """
        first = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        found = [] if first is None else self.train_set.ids(indices[first].tolist())
        named = [name for names in self.group.gather(found) for name in names]
        # If every loss is finite, it is a gradient, to which all windows contribute.
        return first or 0, named or self.train_set.ids(torch.cat(list(indices)).tolist())
