"""Training: epochs of steps, validation after each, checkpoints, and going on from one.

A reader's way through: `Trainer.fit` -> `Trainer._train_epoch` -> `Trainer._step`.
B: batch; T: frames; C, H, W: a frame.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from simvp import checkpoint, symmetries
from simvp.config import Config
from simvp.data import SampleDataset, batches, training_batches
from simvp.distributed import Group
from simvp.engine.evaluation import evaluate
from simvp.engine.history import as_csv, describe_epoch
from simvp.engine.schedule import one_cycle
from simvp.engine.signals import StopRequest, stop_request
from simvp.errors import Interrupted, RunError, RunFailed
from simvp.files import publish_text
from simvp.model import SimVP
from simvp.physics import parse_symmetries
from simvp.report import Advance, Report
from simvp.runs import RunFolder

_NOT_FINITE = 1000  # a loss is; higher than the number of any signal


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
        self.progress = Progress()
        self.loss = TrainingLoss()
        self.symmetries = parse_symmetries(config.train.augment)
        self.optimizer = torch.optim.Adam(network.parameters(), fused=True)
        self.parallel: nn.Module = network
        if group.world_size > 1:
            # All processes start from the same weights; this overlaps the exchange of gradients
            # with the backward pass.
            self.parallel = DistributedDataParallel(network, gradient_as_bucket_view=True)
        torch.manual_seed(config.train.seed + group.rank)  # dropout differs between processes
        self.steps_per_epoch = len(self._epoch_batches(0))
        self.total_steps = self.steps_per_epoch * config.train.epochs

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

    def save(self, path_name: str) -> None:
        """Write a checkpoint, `checkpoints/<path_name>`, and make it the latest. All ranks call."""
        private = {
            "rng": torch.get_rng_state(),
            "device_rng": _device_rng_state(self.group.device),
            "loss": asdict(self.loss),
        }
        per_rank = self.group.gather(private)
        self.group.share_buffers(self.network)
        if self.group.is_main:
            path = self.folder.checkpoints / path_name
            content = {
                "format": checkpoint.FORMAT,
                "model": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": asdict(self.progress),
                "steps_per_epoch": self.steps_per_epoch,
                "per_rank": per_rank,
            }
            checkpoint.save(path, content)
            if path != self.folder.latest:
                checkpoint.link(path, self.folder.latest)

    def resume(self) -> None:
        """Go on from the latest checkpoint. Raises RunError if it does not fit this run."""
        path = self.folder.latest
        content = checkpoint.load(path, self.group.device)
        self._check_fits(content)
        self.network.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.progress = Progress(**content["progress"])
        private = content["per_rank"][self.group.rank]
        torch.set_rng_state(private["rng"].cpu())
        _set_device_rng_state(self.group.device, private["device_rng"])
        self.loss = TrainingLoss(**private["loss"])

    def _check_fits(self, content: dict[str, Any]) -> None:
        path = self.folder.latest
        if not checkpoint.is_training_state(content) or content["format"] != checkpoint.FORMAT:
            raise RunError(
                f"{path}: is not a training checkpoint of this version (format "
                f"{content.get('format', 'none')}, needed {checkpoint.FORMAT}); "
                "begin again with --overwrite"
            )
        world_size = len(content["per_rank"])
        if world_size != self.group.world_size:
            raise RunError(
                f"{path}: was written by {world_size} processes, but there are "
                f"{self.group.world_size}; resume with --nproc {world_size}"
            )
        if content["steps_per_epoch"] != self.steps_per_epoch:
            raise RunError(
                f"{path}: had {content['steps_per_epoch']} steps an epoch, but there are "
                f"{self.steps_per_epoch}; resume with the same split and batch size"
            )
        problems = checkpoint.mismatches(self.network.state_dict(), content["model"])
        if problems:
            raise RunError(f"{path}: does not fit the run's network: {problems[0]}, ...")

    def _train_epoch(self, stop: StopRequest, advance: Advance) -> None:
        self.parallel.train()
        todo = self._epoch_batches(self.progress.epoch)[self.progress.batch :]
        for indices, frames in batches(self.train_set, todo, self.group.device.type):
            frames = self._transform(frames.to(self.group.device, non_blocking=True), indices)
            loss, signum = self._step(frames, indices, stop)
            self.loss.total += loss * len(indices)
            self.loss.count += len(indices)
            self.progress.batch += 1
            advance(1, f"epoch {self.progress.epoch + 1}, loss {loss:.4f}")
            if signum:
                self._interrupt(signum)

    def _step(self, frames: Tensor, indices: Tensor, stop: StopRequest) -> tuple[float, int]:
        """One optimizer step on frames (B, T, C, H, W).

        Returns: this process's loss; the signal to stop that a process received, or 0.
        """
        pre, aft = self.config.data.pre_seq_length, self.config.data.aft_seq_length
        inputs, true = frames[:, :pre], frames[:, pre:]
        loss = nn.functional.mse_loss(self.parallel(inputs, aft), true)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        # All processes learn the worst news that one of them has, and do the same.
        news = self.group.max(stop.signum if math.isfinite(value) else _NOT_FINITE)
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
        totals = self.group.sum(torch.tensor([self.loss.total, self.loss.count]).double())
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
        self.loss = TrainingLoss()
        if self.group.is_main:
            if is_best:
                checkpoint.save(self.folder.best_model, self.network.state_dict())
            publish_text(self.folder.metrics_file, as_csv(self.progress.history))
        self.report.say(describe_epoch(row, self.config.train.epochs, is_best=is_best))
        epoch, train = self.progress.epoch, self.config.train
        if epoch % train.checkpoint_interval == 0 or epoch == train.epochs:
            self.save(f"epoch_{epoch}.pth")

    def _interrupt(self, signum: int) -> None:
        self.save(self.folder.latest.name)
        raise Interrupted(
            signum,
            f"stopped in epoch {self.progress.epoch + 1} after {self.progress.batch} of "
            f"{self.steps_per_epoch} steps, saved; continue with "
            f"`simvp train --name {self.folder.path.name} --resume`",
        )

    def _not_finite(self, value: float, indices: Tensor) -> RunFailed:
        samples = ", ".join(self.train_set.ids(indices.tolist()))
        own = "" if not math.isfinite(value) else " in another process"
        return RunFailed(
            f"epoch {self.progress.epoch + 1}, step {self.progress.batch + 1} of "
            f"{self.steps_per_epoch}: the loss is no longer a finite number{own} (samples: "
            f"{samples}); the weights before this step are untouched, and the last checkpoint is "
            "good. Lower --lr, or look at these samples"
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


def _device_rng_state(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_device_rng_state(device: torch.device, state: Tensor | None) -> None:
    if device.type == "cuda" and state is not None:
        torch.cuda.set_rng_state(state.cpu(), device)
