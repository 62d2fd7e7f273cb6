"""The training loop: epochs of steps, validation after each, checkpoints, and resuming from one.

Read `Trainer.fit` first, then `Trainer._train_epoch` and `Learner.step`.
B: batch; T: frames; C: channels, of which the first ones are forecast; H, W: height and width.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import torch
from torch import Tensor

from simvp import metrics
from simvp.config import Config, name_option
from simvp.data.augmentation import Vector
from simvp.data.batches import StoppedWaiting, Waiting, WindowDataset, batches
from simvp.data.preparation import advise_cache
from simvp.engine.compilation import uncompiled
from simvp.engine.domain import FORECAST, PERSISTENCE
from simvp.engine.epoch_log import EpochLog, Stopwatch, training_cost
from simvp.engine.history import Progress, describe_epoch, describe_persistence, describe_step
from simvp.engine.learner import Learner
from simvp.engine.recipes import trained_steps
from simvp.engine.schedule import num_passes, one_cycle
from simvp.engine.signals import StopRequest, stop_request
from simvp.engine.state import (
    State,
    TrainingLoss,
    fixed_settings_of,
    is_of_version_1,
    samples_as_in_version_1,
)
from simvp.engine.training_windows import TrainingWindows
from simvp.engine.validation import is_validated, validate
from simvp.errors import Interrupted, RunFailed
from simvp.models.simvp import Network
from simvp.progress import Advance, Report, plural
from simvp.runs import RunFolder
from simvp.runtime.group import Group
from simvp.storage import checkpoint

# Status of a process; values in between are signal numbers. The group acts on the largest one.
_SAVE_DUE, _NOT_FINITE = 1, 1000

# Steps between log steps. Reading the losses waits for a GPU; CPU execution is synchronous.
_LOG_INTERVAL = {"cpu": 1, "cuda": 16, "mps": 16}


class Trainer:
    """Fits a network to the training windows and keeps its weights, chosen by validation."""

    def __init__(
        self,
        config: Config,
        network: Network,
        *,
        train_set: WindowDataset,
        val_set: WindowDataset,
        group: Group,
        folder: RunFolder,
        report: Report,
        vectors: Sequence[Vector] = (),
    ) -> None:
        self.config = config
        self.network = network
        self.train_set = train_set
        self.val_set = val_set
        self.group = group
        self.folder = folder
        self.report = report
        self.learner = Learner(config, network, group)
        self.state = State(network, self.learner.optimizer, self.learner.scaler)
        # Windows and losses of the steps since the last log step.
        self.pending: list[tuple[Tensor, Tensor]] = []
        self.saved_at = time.monotonic()
        self.stopwatch, self.has_advised_cache = Stopwatch(), False
        torch.manual_seed(config.train.seed + group.rank)  # dropout differs between processes
        self.windows = TrainingWindows(train_set, config.train, group, vectors)
        self.steps_per_epoch = len(self.windows.epoch(0))
        self.total_steps = self.steps_per_epoch * config.train.epochs

    @property
    def progress(self) -> Progress:
        return self.state.progress

    def fit(self) -> None:
        """Train from the current progress until the last epoch.

        Raises: Interrupted, after saving, on SIGINT or SIGTERM; RunFailed if the loss or a gradient
            is not finite.
        """
        with (
            stop_request() as stop,
            EpochLog(self.folder, self.config.run, is_main=self.group.is_main) as log,
            self.report.progress("training", self.total_steps, self._steps_done()) as advance,
        ):
            while self.progress.epoch < self.config.train.epochs:
                try:
                    self._train_epoch(stop, advance)
                    self._finish_epoch(log, stop)
                except StoppedWaiting:
                    self._stop_waiting(stop, advance)
                if signum := self.group.max(stop.signum):
                    self._interrupt(signum)

    def resume(self, content: Mapping[str, Any]) -> None:
        """Restore a checkpoint. Raises RunError if settings, data or processes have changed."""
        made_with = self._made_with()
        if is_of_version_1(content):
            made_with |= samples_as_in_version_1(self.train_set, self.val_set, self.folder)
        self.state.restore(content, self.group, made_with)

    def _save(self, name: str) -> None:
        """Write the checkpoint `name` and make it the latest one. All processes call this."""
        self._check_weights()
        content = self.state.capture(self.group, self._made_with())
        if self.group.is_main:
            checkpoint.save_training(self.folder.checkpoints, name, content)
        self.saved_at = time.monotonic()

    def _made_with(self) -> dict[str, Any]:
        """What a checkpoint depends on: it must be the same when the run is resumed."""
        data = self.config.data
        return {
            "number of processes": self.group.world_size,
            "training samples": self.train_set.fingerprint(),
            "validation samples": self.val_set.fingerprint(),
            "number of forecast channels": self.network.num_forecast,
            "vectors of the data card": [[*vector.channels] for vector in self.windows.vectors],
            "data.pre_seq_length": data.pre_seq_length,
            "data.aft_seq_length": data.aft_seq_length,
            **fixed_settings_of(self.config),
        }

    def _train_epoch(self, stop: StopRequest, advance: Advance) -> None:
        self.network.train()
        epoch, waiting = self.progress.epoch, Waiting()
        todo = self.windows.epoch(epoch)[self.progress.batch :]
        self.stopwatch.lap()
        device = self.group.device.type
        with closing(batches(self.train_set, todo, device, waiting, stop.is_requested)) as loop:
            for indices, frames in loop:
                frames = frames.to(self.group.device, non_blocking=True)
                frames = self.windows.transform(frames, indices, epoch)
                lr_factor, beta1 = self._schedule(self._steps_done())
                loss = self.learner.step(
                    frames, lr_factor=lr_factor, beta1=beta1, num_steps=self._num_steps()
                )
                self.pending.append((indices, loss))
                self.progress.batch += 1
                is_last = self.progress.batch == self.steps_per_epoch
                if is_last or self.progress.batch % _LOG_INTERVAL[self.group.device.type] == 0:
                    self._log_step(stop, advance)
        if not self.has_advised_cache:
            stores = (self.train_set.store, self.val_set.store)
            self.has_advised_cache = advise_cache(waiting, stores, self.group, self.report)

    def _stop_waiting(self, stop: StopRequest, advance: Advance) -> None:
        """Save what was done before data did not arrive, in an epoch or in its validation."""
        if self.group.world_size > 1:  # others may wait for this process in their next step
            raise stop.while_waiting()
        if self.pending:
            self._log_step(stop, advance)
        self._interrupt(stop.signum)

    def _log_step(self, stop: StopRequest, advance: Advance) -> None:
        """Read the pending losses, then stop or save if any process has to."""
        losses = torch.stack([loss for _, loss in self.pending]).tolist()
        status = self.group.max(self._status(stop))
        if status == _NOT_FINITE:
            raise self._not_finite(losses)
        for (indices, _), loss in zip(self.pending, losses, strict=True):
            self.state.loss.total += loss * len(indices)
            self.state.loss.count += len(indices)
        self.pending.clear()
        self.state.loss.seconds += self.stopwatch.lap()
        lr = self._schedule(self._steps_done() - 1)[0] * self.config.train.peak_lr
        speed = self.state.loss.samples_per_second * self.group.world_size
        epochs = self.config.train.epochs
        advance(len(losses), describe_step(self.progress, epochs, losses[-1], lr, speed))
        if status > _SAVE_DUE:
            self._interrupt(status)
        elif status == _SAVE_DUE:
            self._save(checkpoint.LATEST)
            self.stopwatch.lap()  # the time of an epoch is without checkpoints

    def _status(self, stop: StopRequest) -> int:
        if self.learner.failed:
            return _NOT_FINITE
        minutes = self.config.train.checkpoint_every_minutes
        is_due = minutes > 0 and time.monotonic() - self.saved_at >= 60 * minutes
        return stop.signum or (_SAVE_DUE if is_due and self.group.is_main else 0)

    def _steps_done(self) -> int:
        return self.progress.epoch * self.steps_per_epoch + self.progress.batch

    def _finish_epoch(self, log: EpochLog, stop: StopRequest) -> None:
        """Validate and save a checkpoint, when they are due, the network and the history."""
        self._check_weights()
        epoch, train, local = self.progress.epoch + 1, self.config.train, self.state.loss
        self.stopwatch.lap()
        validated, losses = self._validate(stop) if is_validated(epoch, train) else ({}, [])
        val_seconds = self.stopwatch.lap()
        totals = self.group.sum(torch.tensor([local.total, local.count], dtype=torch.float64))
        last_step = epoch * self.steps_per_epoch - 1
        row = {
            "epoch": epoch,
            "lr": self._schedule(last_step)[0] * train.peak_lr,
            "train_loss": float(totals[0] / totals[1]),
            **validated,
            **training_cost(local.seconds, val_seconds, int(totals[1]), self.group.device),
        }
        is_kept = self.progress.complete_epoch(row, losses)
        self.state.loss = TrainingLoss()
        if self.group.is_main and is_kept:
            self._keep()
        if epoch == 1:  # before metrics.csv: a run that has it but no checkpoint has lost them
            self._save(checkpoint.LATEST)
        log.publish(self.progress)
        self.report.say(describe_epoch(self.progress, train.epochs))
        for line in describe_persistence(self.progress, row, train):
            self.report.say(line)
        if epoch % train.checkpoint_interval == 0 or epoch == train.epochs:
            self._save(f"epoch_{epoch}.pth")

    def _keep(self) -> None:
        """Write the weights of the last epoch as those of the run."""
        weights = self.network.state_dict()
        self.progress.kept_sha256 = checkpoint.digest(weights)
        checkpoint.save(self.folder.model_file, weights)

    def _validate(self, stop: StopRequest) -> tuple[dict[str, float], list[float]]:
        """The validation columns of metrics.csv, and the loss of each window.

        Records the loss of persistence the first time.
        """
        is_known = self.progress.persistence_loss is not None
        baselines = {} if is_known else {PERSISTENCE: metrics.persistence}
        with uncompiled():
            scores = validate(
                *(self.network, self.val_set, self.config, self.group),
                self.windows.inputs(self.progress.epoch, self.network.history, stop.is_requested),
                baselines=baselines,
                should_stop=stop.is_requested,
            )
        shape = (self.network.num_forecast, *self.val_set.shape[1:])
        if not is_known:
            self.progress.persistence_loss = scores[PERSISTENCE].loss(shape)
        forecast, loss = scores[FORECAST], scores[FORECAST].loss(shape)
        if not math.isfinite(loss):
            raise self._failed("the validation loss is not finite")
        means = {f"val_{name}": float(forecast.mean(name)) for name in metrics.NAMES}
        return {"val_loss": loss, **means}, forecast.losses(shape).tolist()

    def _check_weights(self) -> None:
        """Raises RunFailed if an update has made a weight non-finite: it must not be saved."""
        finite = torch.stack([weight.isfinite().all() for weight in self.network.parameters()])
        if not finite.all():
            raise self._failed("a weight is not finite after the update")

    def _failed(self, reason: str, batch: int | None = None, *, remedy: str = "") -> RunFailed:
        where = f"step {batch or self.progress.batch} of {self.steps_per_epoch}"
        return RunFailed(
            f"epoch {self.progress.epoch + 1}, {where}: {reason}; training stopped, checkpoints "
            f"are intact. Start another run with a lower --lr{remedy}"
        )

    def _interrupt(self, signum: int) -> None:
        self._save(checkpoint.LATEST)
        epoch, batch = self.progress.epoch, self.progress.batch
        steps = f" and {batch} of {self.steps_per_epoch} steps" if batch else ""
        again = f"simvp train{name_option(self.config.run.folder)} --resume"
        where = "" if self.folder.path == self.config.run.folder else f" of {self.folder.path}"
        done = f"stopped after {plural(epoch, 'epoch')}{steps}{where}, saved"
        raise Interrupted(signum, f"{done}; continue with `{again}`")

    def _not_finite(self, losses: list[float]) -> RunFailed:
        """The error that names the samples at fault, whichever process they are in."""
        first, named = self.windows.at_fault([indices for indices, _ in self.pending], losses)
        return self._failed(
            f"the loss or its gradient is not finite (samples: {', '.join(named)})",
            self.progress.batch - len(losses) + 1 + first,
            remedy=", or check these samples",
        )

    def _schedule(self, step: int) -> tuple[float, float]:
        final = self.config.train.final_div_factor
        return one_cycle(step, self.total_steps, final_div_factor=final)

    def _num_steps(self) -> int:
        """Number of frames that the next step trains."""
        train = self.config.train
        assert isinstance(train.rollout, int) and isinstance(train.rollout_share, float)
        passes = num_passes(
            self._steps_done(), self.total_steps, rollout=train.rollout, share=train.rollout_share
        )
        return trained_steps(self.config, passes)
