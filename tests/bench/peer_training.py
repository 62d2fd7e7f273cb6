"""Training of another network on the windows of a recipe, for a given time on one CPU thread.

B: batch; T: input frames; S: forecast steps; N: frames of a pass; C: channels; H, W: height and
width.
"""

import copy
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import peer_networks
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simvp.commands import fitting
from simvp.config import Config, assignment_layer
from simvp.config import resolve as resolve_layers
from simvp.data import augmentation
from simvp.data.batches import WindowDataset
from simvp.data.description import DataDescription
from simvp.data.preparation import prepare
from simvp.engine import evaluate
from simvp.engine.evaluation import ForecastFunction
from simvp.engine.increments import increment_scale
from simvp.engine.learner import with_noise
from simvp.engine.recipes import resolve_recipe, trained_steps
from simvp.engine.schedule import num_passes, one_cycle
from simvp.engine.training_windows import TrainingWindows
from simvp.models.simvp.rollout import roll_out, roll_out_increments
from simvp.physics import parse_boundary
from simvp.progress import Report
from simvp.runtime.group import Group

_GROUP = Group(0, 1, torch.device("cpu"))
_MOMENTS = 1000  # of the schedule, which the time that was used chooses from
_NUM_VALIDATIONS = 10
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Task:
    """What a network is trained, validated and tested on, with a resolved config."""

    config: Config
    description: DataDescription
    train_set: WindowDataset
    val_set: WindowDataset
    test_set: WindowDataset


@dataclass(frozen=True)
class Outcome:
    """What a training has achieved.

    Attributes:
        forecaster: with the weights of the best validation.
        val_mse: of these weights; infinite if no forecast was finite.
        steps: number of optimizer steps.
        val_seconds: CPU time of all validations.
    """

    forecaster: "Forecaster"
    val_mse: float
    steps: int
    val_seconds: float

    def test_mse(self, task: Task) -> float:
        """The mse that `simvp test` would report."""
        return mse(self.forecaster, task.test_set, task.config)


def open_task(path: Path, settings: Sequence[str]) -> Task:
    """Read the newest split of the data in a folder; `settings` are those of `simvp train --set`.

    The recipe, the symmetries and the windows are those that `simvp train` would use.
    """
    texts = [f"data.path={path}", "run.device=cpu", *settings]
    config = resolve_recipe(resolve_layers([assignment_layer(text) for text in texts]), None)
    data = fitting.open_data(config)
    config = fitting.resolve(config, data, None)
    description, aft = data.split.data, config.data.aft_seq_length
    assert not description.has_missing and not description.inputs and description.std
    test_set = WindowDataset(
        data.split.segments("test"),
        window=config.data.pre_seq_length + aft,
        stride=aft,
        scaling=description.network_scaling,
    )
    datasets = (data.train_set, data.val_set, test_set)
    prepare([dataset.store for dataset in datasets], data.split, "", _GROUP, Report())
    return Task(config, description, *datasets)


def mse(forecast: ForecastFunction, dataset: WindowDataset, config: Config) -> float:
    """The mse that `simvp test` reports; NaN if a forecast is not finite."""
    scores = evaluate(
        {"forecast": forecast},
        dataset,
        config,
        _GROUP,
        num_forecast=dataset.shape[0],
        advance=lambda count, note: None,
        names=["mse"],
    )
    return float(scores["forecast"].values["mse"].mean())


class Forecaster(nn.Module):
    """A network that is given and forecasts standardised frames, or increments, as a forecast.

    Increments are in units of their root mean square; at first they are 0.
    """

    mean: Tensor
    std: Tensor
    scale: Tensor

    def __init__(self, peer: str, task: Task) -> None:
        super().__init__()
        model, data = task.config.model, task.description
        assert isinstance(model.history, int) and isinstance(model.block_frames, int)
        self.history, self.block_frames = model.history, model.block_frames
        self.channels = len(data.channels)
        self.network = peer_networks.build(
            peer,
            self.history * self.channels,
            self.block_frames * self.channels,
            parse_boundary(model.boundary),
        )
        self.forecasts_increments = model.target == "increments"
        scale = data.std
        if self.forecasts_increments:
            scale = increment_scale(task.train_set, self.channels)
            for parameter in self.network.readout.parameters():
                nn.init.zeros_(parameter)
        for name, values in (("mean", data.mean), ("std", data.std), ("scale", scale)):
            self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1))

    def forward(self, frames: Tensor, num_steps: int) -> Tensor:
        """(B, at least T, C, H, W) -> (B, S, C, H, W), both in network units."""
        inputs = (frames[:, -self.history :] - self.mean) / self.std
        if not self.forecasts_increments:
            forecast = roll_out(self._pass, inputs, None, num_steps, num_forecast=self.channels)
            return forecast * self.std + self.mean
        difference = roll_out_increments(
            self._pass, inputs, None, num_steps, scale=self.scale / self.std, start=inputs[:, -1:]
        )
        return frames[:, -1:] + difference * self.std

    def _pass(self, frames: Tensor, mask: None) -> Tensor:
        """(B, T, C, H, W) -> (B, N, C, H, W)."""
        block: Tensor = self.network(frames.flatten(1, 2))
        return block.unflatten(1, (self.block_frames, self.channels))


def train(peer: str, task: Task, lr: float, seconds: float) -> Outcome:
    """Train for a CPU time, with AdamW and a schedule in shares of this time.

    Validations do not count. A training ends early when its loss is not finite.
    """
    torch.manual_seed(task.config.train.seed)
    forecaster = Forecaster(peer, task)
    optimizer = torch.optim.AdamW(
        forecaster.parameters(),
        lr,
        weight_decay=_WEIGHT_DECAY,
        fused=not any(p.is_complex() for p in forecaster.parameters()),  # faster, real only
    )
    best, chosen = math.inf, forecaster
    used, val_seconds, validated, steps = 0.0, 0.0, 0, 0
    start = time.process_time()
    for frames in _training_frames(task):
        moment = min(int(_MOMENTS * used / seconds), _MOMENTS - 1)
        loss = _step(forecaster, optimizer, frames, task.config, lr, moment)
        steps += 1
        used += time.process_time() - start
        start = time.process_time()
        if _NUM_VALIDATIONS * used >= (validated + 1) * seconds:
            validated = int(_NUM_VALIDATIONS * used / seconds)
            found = mse(forecaster.eval(), task.val_set, task.config)
            if found < best:
                best, chosen = found, copy.deepcopy(forecaster)
            forecaster.train()
            val_seconds += time.process_time() - start
            start = time.process_time()
        if used >= seconds or not math.isfinite(loss):
            break
    return Outcome(chosen, best, steps, val_seconds)


def _training_frames(task: Task) -> Iterator[Tensor]:
    """Batches of windows (B, T + S, C, H, W), transformed by the symmetries; without end."""
    windows = TrainingWindows(
        task.train_set, task.config.train, _GROUP, augmentation.vectors(task.description)
    )
    for epoch in itertools.count():
        for batch in windows.epoch(epoch):
            indices, frames = task.train_set.read(batch)
            yield windows.transform(frames, indices, epoch)


def _step(
    forecaster: Forecaster,
    optimizer: torch.optim.Optimizer,
    frames: Tensor,
    config: Config,
    lr: float,
    moment: int,
) -> float:
    """One optimizer step at a moment of the schedule; returns the loss."""
    settings = config.train
    factor, beta1 = one_cycle(moment, _MOMENTS, final_div_factor=settings.final_div_factor)
    for group in optimizer.param_groups:
        group["lr"], group["betas"] = factor * lr, (beta1, 0.999)
    passes = num_passes(moment, _MOMENTS, rollout=settings.rollout, share=settings.rollout_share)
    num_steps, history = trained_steps(config, passes), forecaster.history
    true = frames[:, history : history + num_steps]
    inputs = frames[:, :history]
    if settings.input_noise:
        inputs = with_noise(inputs, settings.input_noise * forecaster.scale)
    forecast = forecaster(inputs, num_steps)
    # The score weights all channels alike in network units. Dividing by the size of what is
    # forecast keeps the gradients far above the epsilon of Adam.
    loss = F.mse_loss(forecast, true) / forecaster.scale.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
