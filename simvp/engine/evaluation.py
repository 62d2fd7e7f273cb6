"""Scoring forecasts: each window once, by whichever process, with the same result for any number.

N: windows; B: batch; T: forecast steps; C: channels, C' of which are forecast, the first ones;
H, W: height and width; M: scores.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from simvp import metrics
from simvp.config import Config
from simvp.data.batches import WindowDataset, batches, scoring_batches
from simvp.engine.statistics import recompute_statistics
from simvp.models.simvp import SimVP
from simvp.progress import Advance
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group

ForecastFunction = Callable[[Tensor, int], Tensor]
# Called with ids, inputs, truths and forecasts of a batch, all of them on the device. Truths and
# forecasts have the forecast channels only.
Consumer = Callable[[Sequence[str], Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class Evaluation:
    """The scores of every forecast frame, float64.

    Attributes:
        frame_scores: (N, T, M), M as in `metrics.NAMES`.
        channel_scores: (N, T, C', M), M as in `metrics.CHANNEL_NAMES`, in [0, 1] units.
    """

    frame_scores: Tensor
    channel_scores: Tensor

    def mean(self) -> dict[str, float]:
        """Each score, averaged over windows and steps."""
        return _named(finite_mean(self.frame_scores.flatten(0, 1)))

    def per_step(self) -> dict[str, list[float]]:
        """Each score for each forecast step, averaged over windows."""
        means = finite_mean(self.frame_scores)
        return {name: means[:, i].tolist() for i, name in enumerate(metrics.NAMES)}

    def per_window(self) -> dict[str, Tensor]:
        """Each score of every window, averaged over steps, (N,)."""
        means = finite_mean(self.frame_scores.transpose(0, 1))
        return {name: means[:, i] for i, name in enumerate(metrics.NAMES)}

    def left_out(self) -> dict[str, int]:
        """The number of frames where a score is not defined, which means leave out."""
        counts = (~self.frame_scores.isfinite()).sum(dim=(0, 1)).tolist()
        return {name: count for name, count in zip(metrics.NAMES, counts, strict=True) if count}

    def loss(self, shape: tuple[int, int, int]) -> float:
        """The mean squared error per value of frames (C', H, W), which selects the best model."""
        errors = self.frame_scores[..., metrics.NAMES.index("mse")]
        return float(errors.mean()) / math.prod(shape)  # not finite if any forecast is not


def finite_mean(values: Tensor) -> Tensor:
    """The mean over the first axis of the finite values; the PSNR of an exact frame is infinite.

    NaN where no value is finite.
    """
    return torch.where(values.isfinite(), values, torch.nan).nanmean(dim=0)


def _named(values: Tensor) -> dict[str, float]:
    return dict(zip(metrics.NAMES, values.tolist(), strict=True))


@torch.inference_mode()
def evaluate(
    forecasters: dict[str, ForecastFunction],
    dataset: WindowDataset,
    config: Config,
    group: Group,
    *,
    num_forecast: int,
    advance: Advance,
    consume: Consumer | None = None,
) -> dict[str, Evaluation]:
    """Score every forecaster on every window of the dataset, in `metrics.precision`.

    Args:
        forecasters: functions of inputs (B, T, C, H, W) and a number of steps that return as many
            frames. All are scored; the forecasts of the first one go to `consume`.
        num_forecast: number of channels C' that are forecast; further ones are not scored.
        advance: called with the number of windows that are done.
        consume: called for each batch.
    Returns: for each forecaster its scores, the same in every process.
    """
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    local = scoring_batches(
        len(dataset), config.train.val_batch_size, rank=group.rank, world_size=group.world_size
    )
    scored: dict[str, list[Tensor]] = {name: [] for name in forecasters}
    consumed = next(iter(forecasters))
    for indices, frames in batches(dataset, local, group.device.type):
        frames = frames.to(group.device, non_blocking=True)
        inputs, true = frames[:, :pre], frames[:, pre:, :num_forecast]
        for name, forecast in forecasters.items():
            with autocast(group.device, config.metrics.precision):
                pred = forecast(inputs, aft)
            pred = pred[:, :, :num_forecast].float()
            scored[name].append(_scores(pred, true, config))
            if consume is not None and name == consumed:
                consume(dataset.ids(indices.tolist()), inputs, true, with_holes(inputs, pred))
        advance(len(indices) * group.world_size, "")
    rows = [index for indices in local for index in indices]
    shape = (len(dataset), aft, num_forecast)
    return {name: _gathered(shape, rows, pieces, group) for name, pieces in scored.items()}


def validate(
    network: SimVP,
    val_set: WindowDataset,
    config: Config,
    group: Group,
    training_inputs: Iterable[Tensor],
) -> Evaluation:
    """Score a network during training; it is in evaluation mode afterwards.

    Args:
        training_inputs: batches (B, T, C, H, W) for BatchNorm statistics of the current weights.
            They are computed in the precision of the forecasts, because rounding the weights
            shifts the mean of every channel.
    """
    network.eval()
    if config.train.recompute_statistics:
        with autocast(group.device, config.metrics.precision):
            recompute_statistics(network, training_inputs)
    group.broadcast_buffers(network)
    forecasters: dict[str, ForecastFunction] = {"forecast": network}
    scores = evaluate(
        forecasters,
        val_set,
        config,
        group,
        num_forecast=network.num_forecast,
        advance=lambda count, note: None,
    )
    return scores["forecast"]


def with_holes(inputs: Tensor, forecast: Tensor) -> Tensor:
    """The forecast (B, T, C', H, W), NaN where all inputs of a channel are missing: land."""
    of_forecast = inputs[:, :, : forecast.shape[2]]
    return torch.where(of_forecast.isnan().all(dim=1, keepdim=True), torch.nan, forecast)


def _scores(pred: Tensor, true: Tensor, config: Config) -> Tensor:
    """All scores of a batch side by side, (B, T, columns), on the device: nothing waits for it."""
    of_frames, of_channels = metrics.scores(
        pred, true, ssim_data_range=config.metrics.ssim_data_range
    )
    return torch.cat([of_frames, of_channels.flatten(2)], dim=-1)


def _gathered(
    shape: tuple[int, int, int], rows: list[int], pieces: list[Tensor], group: Group
) -> Evaluation:
    """The scores of all processes.

    Args:
        shape: number of windows, forecast steps and forecast channels.
        rows, pieces: this process's windows and their scores.
    """
    num_windows, steps, channels = shape
    sizes = [len(metrics.NAMES), channels * len(metrics.CHANNEL_NAMES)]
    scores = torch.zeros(num_windows, steps, sum(sizes), dtype=torch.float64)
    if pieces:
        scores[rows] = torch.cat(pieces).cpu().double()
    # The order of summation does not matter: all terms but one are 0.
    of_frames, of_channels = torch.split(group.sum(scores), sizes, dim=-1)
    return Evaluation(of_frames, of_channels.reshape(*shape, -1))
