"""Validation during training: after which epochs, and how.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from simvp.config import Config
from simvp.config.training import TrainSection
from simvp.data.batches import WindowDataset
from simvp.engine.evaluation import Evaluation, ForecastFunction, evaluate
from simvp.engine.statistics import recompute_statistics
from simvp.models.simvp import Network
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group

_LARGEST_SHARE = 0.1  # of validation, in the cost of an epoch
_PASSES_OF_A_STEP = 3  # the backward pass costs about as much as two forward passes


def is_validated(epoch: int, settings: TrainSection) -> bool:
    """Whether an epoch, from 1, ends with a validation.

    The first one does, the last two do, and every `val_interval`-th one before the last.
    """
    assert isinstance(settings.val_interval, int)
    left = settings.epochs - epoch
    return epoch == 1 or left <= 1 or left % settings.val_interval == 0


def resolve_interval(config: Config, visits: int, num_val_windows: int) -> Config:
    """Decide `train.val_interval`: validation should cost at most 10 % of the training.

    Args:
        config: with a resolved recipe.
        visits: number of training windows that an epoch visits.
    """
    train = config.train
    if train.val_interval != "auto":
        return config
    ratio = validation_cost(config, visits, num_val_windows) / (visits * passes_per_window(config))
    interval = min(math.ceil(ratio / _LARGEST_SHARE), train.epochs)
    return config.model_copy(update={"train": train.model_copy(update={"val_interval": interval})})


def passes_per_window(config: Config) -> float:
    """Cost of training on a window, in passes of the network: the mean over all steps."""
    rollout, share = config.train.rollout, config.train.rollout_share
    assert isinstance(rollout, int) and isinstance(share, float)
    return _PASSES_OF_A_STEP * (1 + share * (rollout - 1))


def validation_cost(config: Config, visits: int, num_val_windows: int) -> int:
    """Cost of a validation, in passes of the network for one window."""
    block = config.model.block_frames
    assert isinstance(block, int)
    cost = num_val_windows * math.ceil(config.data.aft_seq_length / block)
    statistics = num_statistics_windows(visits)
    return cost + statistics if config.train.recompute_statistics else cost


def num_statistics_windows(visits: int) -> int:
    """Number of training windows from which BatchNorm statistics are computed.

    With 16, the mse varies by 4 % with their choice; with 64, by 1 %. An epoch of many windows can
    afford more of them.

    Args:
        visits: number of training windows that an epoch visits.
    """
    return min(visits, max(16, min(visits // 16, 64)))


def validate(
    network: Network,
    val_set: WindowDataset,
    config: Config,
    group: Group,
    training_inputs: Iterable[Tensor],
    *,
    baselines: Mapping[str, ForecastFunction],
    should_stop: Callable[[], bool],
) -> dict[str, Evaluation]:
    """Score a network during training, as "forecast"; it is in evaluation mode afterwards.

    Args:
        training_inputs: batches (B, T, C, H, W) for BatchNorm statistics of the current weights.
            They are computed in the precision of the forecasts, because rounding the weights
            shifts the mean of every channel.
        baselines: other forecasts to score, by name.
        should_stop: whether to give up waiting for data, see `batches`.
    """
    network.eval()
    if config.train.recompute_statistics:
        with autocast(group.device, config.metrics.precision):
            recompute_statistics(network, training_inputs)
    group.broadcast_buffers(network)
    return evaluate(
        {"forecast": network, **baselines},
        val_set,
        config,
        group,
        num_forecast=network.num_forecast,
        advance=lambda count, note: None,
        should_stop=should_stop,
    )
