"""Settings that are left to the program, "auto", decided from the data and the device."""

import importlib.util

import torch

from simvp.config import Config
from simvp.config.training import ModelSection
from simvp.data.split import Split
from simvp.engine.recipes import resolve_recipe
from simvp.engine.validation import resolve_interval
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError
from simvp.runtime.devices import best_precision

# Fewer steps than this do not repay the minutes that compiling takes.
_STEPS_WORTH_COMPILING = 2000

# An automatic batch size. BatchNorm needs at least two samples; a GPU is busy with sixteen.
_SMALLEST_BATCH, _LARGEST_BATCH = 2, 16

# Many steps of few windows are better than few steps of many.
_MIN_STEPS = 3000


def resolve_auto(
    config: Config,
    split: Split,
    *,
    num_windows: int,
    num_val_windows: int,
    device: torch.device,
    world_size: int,
    weights: StoredWeights | None,
) -> Config:
    """Decide every setting that is "auto", and record the data; others stay as they are.

    Args:
        num_windows: number of training windows that an epoch visits.
        num_val_windows: number of validation windows.
        world_size: number of processes that train together.
        weights: those that the network starts from; None for random ones.
    Raises: ConfigError if the device does not support the precision, or settings contradict each
        other, the weights or the data.
    """
    config = resolve_interval(resolve_recipe(config, weights), num_windows, num_val_windows)
    card, model, train, metrics = split.data.card, config.model, config.train, config.metrics
    if model.boundary == "auto":
        model = model.model_copy(update={"boundary": f"{card.boundary_y},{card.boundary_x}"})
    model = _as_trained(model, weights) if weights else _for_new_weights(model, split)
    if train.augment == "auto":
        train = train.model_copy(update={"augment": ",".join(card.symmetries) or "none"})
    if train.batch_size == "auto":
        batch_size = choose_batch_size(train.epochs, -(-num_windows // world_size))
        train = train.model_copy(update={"batch_size": batch_size})
    if train.compile == "auto":
        steps = train.epochs * num_windows // (train.samples_per_step * world_size)
        compiles = device.type == "cuda" and steps >= _STEPS_WORTH_COMPILING
        compiles = compiles and importlib.util.find_spec("triton") is not None
        train = train.model_copy(update={"compile": compiles})
    precision = _precision(train.precision, device, "train")
    train = train.model_copy(update={"precision": precision})
    precision = _precision(metrics.precision, device, "metrics")
    metrics = metrics.model_copy(update={"precision": precision})
    data = config.data.model_copy(update={"path": str(split.source), "split": str(split.path)})
    return config.model_copy(
        update={"data": data, "model": model, "train": train, "metrics": metrics}
    )


def follow_weights(config: Config, weights: StoredWeights) -> Config:
    """Decide what the network does as the weights were trained.

    Raises: ConfigError if a setting demands something else.
    """
    config = resolve_recipe(config, weights)
    return config.model_copy(update={"model": _as_trained(config.model, weights)})


def _as_trained(model: ModelSection, weights: StoredWeights) -> ModelSection:
    """Decide `model.standardize` as the weights were trained. Raises ConfigError."""
    if model.standardize in ("auto", weights.are_standardizing):
        return model.model_copy(update={"standardize": weights.are_standardizing})
    raise ConfigError(
        f"model.standardize = {str(model.standardize).lower()}: the weights in {weights.path} were "
        f"trained {'with' if weights.are_standardizing else 'without'} standardisation of the "
        "input; use --set model.standardize=auto"
    )


def _for_new_weights(model: ModelSection, split: Split) -> ModelSection:
    """Decide `model.standardize` by whether the statistics of the data are known."""
    is_known = split.data.std is not None
    if model.standardize is True and not is_known:
        raise ConfigError(
            f"model.standardize = true: {split.path} has no mean and standard deviation of the "
            "data; make another split with `simvp split`, or use --set model.standardize=auto"
        )
    decided = is_known if model.standardize == "auto" else model.standardize
    return model.model_copy(update={"standardize": decided})


def choose_batch_size(epochs: int, windows_per_process: int) -> int:
    """The largest batch from 2 to 16 that leaves 3000 steps, at most the number of windows."""
    fitting = epochs * windows_per_process // _MIN_STEPS
    return min(max(fitting, _SMALLEST_BATCH), _LARGEST_BATCH, windows_per_process)


def _precision(requested: str, device: torch.device, section: str) -> str:
    chosen = best_precision(device)[0] if requested == "auto" else requested
    if chosen == "fp16" and device.type == "mps":
        raise ConfigError(
            f"{section}.precision = 'fp16': is not supported on this device; use fp32 or auto"
        )
    return chosen
