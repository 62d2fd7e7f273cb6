"""Training: epochs of steps, validation after each, checkpoints, and going on from one.

A reader's way through: `Trainer.fit` -> `Trainer._train_epoch` -> `Trainer._step`.
B: batch; T: frames; C, H, W: a frame.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from simvp import checkpoint, symmetries
from simvp.config import Config
from simvp.data import SampleDataset, batches, training_batches
from simvp.distributed import Group
from simvp.engine.evaluation import evaluate
from simvp.engine.history import as_csv, describe_epoch
from simvp.engine.schedule import one_cycle
from simvp.engine.signals import StopRequest, stop_request
from simvp.engine.state import Progress, State, TrainingLoss
from simvp.errors import Interrupted, RunFailed
from simvp.files import publish_text
from simvp.model import SimVP
from simvp.physics import parse_symmetries
from simvp.report import Advance, Report
from simvp.runs import RunFolder

# What the processes tell each other before a step; in between are the numbers of signals.
_SAVE_DUE, _NOT_FINITE = 1, 1000

# Settings that may change between the parts of a run; of these the results depend on the number of
# epochs alone, which stretches the schedule.
_FREE_TO_CHANGE = {
    "epochs",
    "checkpoint_interval",
    "checkpoint_every_minutes",
    "val_batch_size",
    "init_from",
}


class Trainer:
    """Fits a network to the training samples and keeps the best by validation loss."""

    def __init__(
        self,
        config: Config,
        network: SimVP,
        *,
        train_set: SampleDataset,
        val_set: SampleDataset,
        group: Group,
        folder: RunFolder,
        report: Report,
    ) -> None:
        self.config = config
        self.network = network
        self.train_set = train_set
        self.val_set = val_set
        self.group = group
        self.folder = folder
        self.report = report
        self.optimizer = torch.optim.Adam(network.parameters(), fused=True)
        self.state = State(network, self.optimizer)
        self.saved_at = time.monotonic()
        self.symmetries = parse_symmetries(config.train.augment)
        self.parallel: nn.Module = network
        if group.world_size > 1:
            # All processes start from the same weights; this overlaps the exchange of gradients
            # with the backward pass.
            self.parallel = DistributedDataParallel(network, gradient_as_bucket_view=True)
        torch.manual_seed(config.train.seed + group.rank)  # dropout differs between processes
        self.steps_per_epoch = len(self._epoch_batches(0))
        self.total_steps = self.steps_per_epoch * config.train.epochs

    @property
    def progress(self) -> Progress:
        return self.state.progress

    def fit(self) -> None:
        """Train until the last epoch, from wherever the progress is.

        Raises: Interrupted after saving if a signal came; RunFailed if the loss is not finite.
        """
        epochs = self.config.train.epochs
        done = self.progress.epoch * self.steps_per_epoch + self.progress.batch
        with (
            stop_request() as stop,
            self.report.progress("training", self.total_steps, done) as advance,
        ):
            while self.progress.epoch < epochs:
                self._train_epoch(stop, advance)
                self._finish_epoch()
                signum = self.group.max(stop.signum)
                if signum:
                    self._interrupt(signum)

    def resume(self, content: Mapping[str, Any]) -> None:
        """Go on from a checkpoint. Raises RunError if it was made with other data or processes."""
        self.state.restore(content, self.group, self._made_with())

    def _save(self, name: str) -> None:
        """Write the checkpoint `name` and make it the latest. All processes call this."""
        content = self.state.capture(self.group, self._made_with())
        if self.group.is_main:
            checkpoint.save_training(self.folder.checkpoints, name, content)
        self.saved_at = time.monotonic()

    def _made_with(self) -> dict[str, Any]:
        """What must not change within a run, because results depend on it."""
        data = self.config.data
        settings = {
            f"{section}.{key}": value
            for section in ("model", "train", "metrics")
            for key, value in getattr(self.config, section).model_dump().items()
            if key not in _FREE_TO_CHANGE
        }
        return {
            "number of processes": self.group.world_size,
            "training samples": self.train_set.fingerprint(),
            "validation samples": self.val_set.fingerprint(),
            "data.pre_seq_length": data.pre_seq_length,
            "data.aft_seq_length": data.aft_seq_length,
            **settings,
        }

    def _train_epoch(self, stop: StopRequest, advance: Advance) -> None:
        self.parallel.train()
        todo = self._epoch_batches(self.progress.epoch)[self.progress.batch :]
        for indices, frames in batches(self.train_set, todo, self.group.device.type):
            frames = self._transform(frames.to(self.group.device, non_blocking=True), indices)
            loss, news = self._step(frames, indices, stop)
            self.state.loss.total += loss * len(indices)
            self.state.loss.count += len(indices)
            self.progress.batch += 1
            advance(1, f"epoch {self.progress.epoch + 1}, loss {loss:.4f}")
            if news > _SAVE_DUE:
                self._interrupt(news)
            elif news == _SAVE_DUE:
                self._save(checkpoint.LATEST)

    def _step(self, frames: Tensor, indices: Tensor, stop: StopRequest) -> tuple[float, int]:
        """One optimizer step on frames (B, T, C, H, W).

        Returns: this process's loss; the signal to stop that a process received, _SAVE_DUE or 0.
        """
        pre, aft = self.config.data.pre_seq_length, self.config.data.aft_seq_length
        inputs, true = frames[:, :pre], frames[:, pre:]
        loss = nn.functional.mse_loss(self.parallel(inputs, aft), true)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        # All processes learn the worst news that one of them has, and do the same.
        news = self.group.max(self._news(value, stop))
        if news == _NOT_FINITE:
            raise self._not_finite(value, indices)
        step = self.progress.epoch * self.steps_per_epoch + self.progress.batch
        lr, beta1 = self._schedule(step)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = lr
            parameters["betas"] = (beta1, parameters["betas"][1])
        self.optimizer.step()
        self.optimizer.zero_grad()
        return value, news

    def _news(self, loss: float, stop: StopRequest) -> int:
        """What the others have to know before this step changes the weights."""
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if not math.isfinite(loss) or not get_total_norm(gradients).isfinite():
            return _NOT_FINITE
        minutes = self.config.train.checkpoint_every_minutes
        is_due = minutes > 0 and time.monotonic() - self.saved_at >= 60 * minutes
        return stop.signum or (_SAVE_DUE if is_due and self.group.is_main else 0)

    def _transform(self, frames: Tensor, indices: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) under one of the physics' symmetries for each sample."""
        if not self.symmetries:
            return frames
        transformations = symmetries.draw(
            self.symmetries,
            self.train_set.frame_shape[1:],
            seed=self.config.train.seed,
            epoch=self.progress.epoch,
            samples=indices.tolist(),
        )
        return symmetries.apply(frames, transformations)

    def _finish_epoch(self) -> None:
        """Validate, keep the best, write the history and, when it is due, a checkpoint."""
        self.network.eval()
        self.group.share_buffers(self.network)
        scores = evaluate(
            {"forecast": self.network},
            self.val_set,
            self.config,
            self.group,
            advance=lambda count, note: None,
        )["forecast"]
        val_loss = scores.loss(self.val_set.frame_shape)
        own = self.state.loss
        totals = self.group.sum(torch.tensor([own.total, own.count], dtype=torch.float64))
        last_step = (self.progress.epoch + 1) * self.steps_per_epoch - 1
        row = {
            "epoch": self.progress.epoch + 1,
            "lr": self._schedule(last_step)[0],
            "train_loss": float(totals[0] / totals[1]),
            "val_loss": val_loss,
            **{f"val_{name}": value for name, value in scores.mean().items()},
        }
        is_best = val_loss < self.progress.best_loss
        self.progress.best_loss = min(val_loss, self.progress.best_loss)
        self.progress.history.append(row)
        self.progress.epoch += 1
        self.progress.batch = 0
        self.state.loss = TrainingLoss()
        if self.group.is_main:
            if is_best:
                checkpoint.save(self.folder.best_model, self.network.state_dict())
            publish_text(self.folder.metrics_file, as_csv(self.progress.history))
        self.report.say(describe_epoch(row, self.config.train.epochs, is_best=is_best))
        epoch, train = self.progress.epoch, self.config.train
        if epoch % train.checkpoint_interval == 0 or epoch == train.epochs:
            self._save(f"epoch_{epoch}.pth")

    def _interrupt(self, signum: int) -> None:
        self._save(checkpoint.LATEST)
        raise Interrupted(
            signum,
            f"stopped in epoch {self.progress.epoch + 1} after {self.progress.batch} of "
            f"{self.steps_per_epoch} steps, saved; continue with "
            f"`simvp train --name {self.folder.path.name} --resume`",
        )

    def _not_finite(self, loss: float, indices: Tensor) -> RunFailed:
        """The error that names the samples at fault, in whichever process they are."""
        own = self.train_set.ids(indices.tolist())
        at_fault = self.group.gather([] if math.isfinite(loss) else own)
        # Where every loss is finite it is a gradient, to which all samples contribute.
        named = [name for names in at_fault for name in names] or own
        return RunFailed(
            f"epoch {self.progress.epoch + 1}, step {self.progress.batch + 1} of "
            f"{self.steps_per_epoch}: the loss or its gradient is no longer finite (samples: "
            f"{', '.join(named)}); the weights were not changed by this step, and the last "
            "checkpoint is good. Lower --lr, or look at these samples"
        )

    def _schedule(self, step: int) -> tuple[float, float]:
        return one_cycle(
            step,
            self.total_steps,
            peak_lr=self.config.train.lr,
            final_div_factor=self.config.train.final_div_factor,
        )

    def _epoch_batches(self, epoch: int) -> list[list[int]]:
        return training_batches(
            len(self.train_set),
            self.config.train.batch_size,
            seed=self.config.train.seed,
            epoch=epoch,
            rank=self.group.rank,
            world_size=self.group.world_size,
        )
