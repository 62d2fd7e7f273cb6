"""`train.minutes`: how many epochs fit into a time, by timing some training steps."""

import time
from bisect import bisect_right
from pathlib import Path

import torch
from torch import Tensor

from simvp.commands import fitting
from simvp.commands.fitting import Data, open_data, visits
from simvp.config import Config, read_layer
from simvp.config.training import TrainSection
from simvp.engine.automatic import choose_batch_size
from simvp.engine.learner import Learner
from simvp.engine.recipes import resolve_recipe, trained_steps
from simvp.engine.validation import is_validated, passes_per_window, validation_cost
from simvp.engine.weights import read_weights
from simvp.errors import ConfigError
from simvp.progress import Report, plural
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.group import Group, rank_info

# The first steps allocate memory, and may compile.
_WARM_UP_STEPS, _TIMED_STEPS = 2, 5

_FEWEST_STEPS = 10  # a shorter training is a mistake in the unit


def resolve_minutes(config: Config, folder: RunFolder, report: Report, *, resume: bool) -> Config:
    """Choose the number of epochs, where the time is given.

    The epochs of a run that is resumed, and in a process of a launched group, are chosen already.
    With `train.recipe = "auto"` they are epochs of the direct recipe, the unit of its budget.

    Raises: ConfigError if the time is too short, or differs from that of the run.
    """
    minutes = config.train.minutes
    if not minutes or launcher.has_launched():
        return config
    if resume and folder.config_file.exists():
        _check_same(minutes, config.train.epochs, folder)
        return config
    if rank_info():
        raise ConfigError(
            f"train.minutes = {minutes:g}: torchrun or Slurm started this process as one of "
            "several, and each would measure another speed; use --epochs"
        )
    report.say(f"minutes {minutes:g}: timing some training steps")
    weights = read_weights(Path(config.train.init_from)) if config.train.init_from else None
    direct = resolve_recipe(config, weights)
    data = open_data(direct)
    train = direct.train
    limit = 60 * minutes / train.members
    if train.batch_size == "auto":  # which depends on the number of steps
        first = _timed(_with_train(direct, batch_size=choose_batch_size(1, 2)), data)
        epochs = max(1, int(limit / (first * visits(direct, data.train_set))))
        share = -(-visits(direct, data.train_set) // launcher.num_processes(config))
        train = train.model_copy(update={"batch_size": choose_batch_size(epochs, share)})
    direct = direct.model_copy(update={"train": train})
    seconds = _timed(direct, data)
    epochs, windows = _fitting(direct, data, seconds, limit)
    length = f"{plural(epochs, 'epoch')} of {plural(windows, 'window')}"
    report.say(
        f"{length}, at {1000 * seconds:.3g} ms per window of the {direct.train.recipe} recipe; "
        f"validation included{_unused(config.train)}"
    )
    chosen = {"epochs": epochs}
    if windows < visits(direct, data.train_set):
        chosen["windows_per_epoch"] = windows
    return _with_train(config, **chosen)


def _unused(train: TrainSection) -> str:
    """A remark if a number of epochs is given, too."""
    is_default = train.epochs == TrainSection().epochs
    return "" if is_default else f"; train.epochs = {train.epochs} is not used"


def _check_same(minutes: float, epochs: int, folder: RunFolder) -> None:
    saved = read_layer(folder.config_file).tables.get("train", {}).get("minutes", 0)
    if saved != minutes:
        raise ConfigError(
            f"train.minutes = {minutes:g}: the run in {folder.path} has {plural(epochs, 'epoch')}, "
            f"chosen when it began{f' for {saved:g} minutes' if saved else ''}; leave out "
            "--minutes, and use --epochs to train longer"
        )


def _with_train(config: Config, **settings: int) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update=settings)})


def _fitting(config: Config, data: Data, seconds: float, limit: float) -> tuple[int, int]:
    """The number of epochs, and of windows that each visits, that take less than the limit.

    Args:
        config: with a resolved recipe.
        seconds: of training on a window.
        limit: in seconds, for one member of an ensemble.
    """
    windows = visits(config, data.train_set)
    config = fitting.resolve(config, data, None)
    cost = validation_cost(config, windows, len(data.val_set))
    per_validation = seconds * cost / passes_per_window(config)

    def duration(epochs: int) -> float:
        settings = config.train.model_copy(update={"epochs": epochs})
        validations = sum(is_validated(epoch, settings) for epoch in range(1, epochs + 1))
        return epochs * seconds * windows + validations * per_validation

    most = int(limit / (seconds * windows))
    epochs = bisect_right(range(1, most + 1), limit, key=duration)
    if epochs:
        return epochs, windows
    windows = min(int((limit - per_validation) / seconds), windows)
    if windows < _FEWEST_STEPS * config.train.samples_per_step * launcher.num_processes(config):
        raise ConfigError(
            f"train.minutes = {config.train.minutes:g}: is too short for "
            f"{_FEWEST_STEPS} training steps, which take "
            f"{_FEWEST_STEPS * config.train.samples_per_step * seconds / 60:.2g} minutes, and a "
            f"validation of {per_validation / 60:.2g} minutes; use more --minutes"
        )
    return 1, windows


def _timed(config: Config, data: Data) -> float:
    """Seconds of training on a window, averaged over the steps of a run.

    All processes of a group together; those on one CPU share its cores.
    """
    config = fitting.resolve(config, data, None)
    device = launcher.device(config)
    group = Group(0, 1, device)
    network = fitting.build(config, data, group)
    learner = Learner(config, network.train(), group)
    size = config.train.samples_per_step
    chosen = [index % len(data.train_set) for index in range(size)]
    frames = torch.stack([data.train_set[index] for index in chosen]).to(device)
    share = config.train.rollout_share
    assert isinstance(share, float)
    one_pass = _step_seconds(learner, frames, trained_steps(config, 1)) if share < 1 else 0.0
    seconds = (1 - share) * one_pass + share * _step_seconds(learner, frames, trained_steps(config))
    parallel = launcher.num_processes(config) if device.type == "cuda" else config.launch.nnodes
    return seconds / (size * parallel)


def _step_seconds(learner: Learner, frames: Tensor, num_steps: int) -> float:
    started = 0.0
    for step in range(_WARM_UP_STEPS + _TIMED_STEPS):
        if step == _WARM_UP_STEPS:
            started = time.monotonic()
        # The learning rate is 0, and reading the loss waits for the device.
        learner.step(frames, lr_factor=0.0, beta1=0.9, num_steps=num_steps).item()
    return (time.monotonic() - started) / _TIMED_STEPS
