"""Scoring forecasts: every sample once, by whichever process, the same numbers for any number.

N: samples; B: batch; T: forecast steps; C, H, W: a frame; M: metrics.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from simvp import metrics
from simvp.config import Config
from simvp.data.batches import SampleDataset, batches, scoring_batches
from simvp.progress import Advance
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group

Forecaster = Callable[[Tensor, int], Tensor]
# Called with sample ids, inputs, truths and forecasts, all of them on the device.
Consumer = Callable[[Sequence[str], Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class Evaluation:
    """The scores of every forecast frame, (N, T, M) float64, M as in `metrics.NAMES`."""

    frame_scores: Tensor

    def mean(self) -> dict[str, float]:
        """Each metric, averaged over samples and steps."""
        return _named(self.frame_scores.mean(dim=(0, 1)))

    def per_step(self) -> dict[str, list[float]]:
        """Each metric for each forecast step, averaged over samples."""
        means = self.frame_scores.mean(dim=0)
        return {name: means[:, i].tolist() for i, name in enumerate(metrics.NAMES)}

    def per_sample(self, index: int) -> dict[str, float]:
        """Each metric of one sample, averaged over steps."""
        return _named(self.frame_scores[index].mean(dim=0))

    def loss(self, frame_shape: tuple[int, int, int]) -> float:
        """The mean squared error per value, by which the best model is chosen."""
        return self.mean()["mse"] / math.prod(frame_shape)


def _named(values: Tensor) -> dict[str, float]:
    return dict(zip(metrics.NAMES, values.tolist(), strict=True))


@torch.inference_mode()
def evaluate(
    forecasters: dict[str, Forecaster],
    dataset: SampleDataset,
    config: Config,
    group: Group,
    *,
    advance: Advance,
    consume: Consumer | None = None,
) -> dict[str, Evaluation]:
    """Score every forecaster on every sample of the dataset, in `metrics.precision`.

    Args:
        forecasters: given inputs (B, T, C, H, W) and a number of steps, each returns as many
            frames; all are scored, the first one's forecasts go to `consume`.
        advance: told the number of samples that this process has done.
        consume: called for each batch.
    Returns: for each forecaster its scores, the same in every process.
    """
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    own = scoring_batches(
        len(dataset), config.train.val_batch_size, rank=group.rank, world_size=group.world_size
    )
    scored: dict[str, list[Tensor]] = {name: [] for name in forecasters}
    saved = next(iter(forecasters))
    for indices, frames in batches(dataset, own, group.device.type):
        frames = frames.to(group.device, non_blocking=True)
        inputs, true = frames[:, :pre], frames[:, pre:]
        for name, forecast in forecasters.items():
            with autocast(group.device, config.metrics.precision):
                pred = forecast(inputs, aft)
            pred = pred.float()
            scores = metrics.frame_scores(
                pred, true, ssim_data_range=config.metrics.ssim_data_range
            )
            scored[name].append(scores)  # on the device, which need not wait for us
            if consume is not None and name == saved:
                consume(dataset.ids(indices.tolist()), inputs, true, pred)
        advance(len(indices) * group.world_size, "")
    rows = [index for indices in own for index in indices]
    everyone = torch.zeros(len(dataset), aft, len(metrics.NAMES), dtype=torch.float64)
    return {name: _gathered(everyone, rows, pieces, group) for name, pieces in scored.items()}


def _gathered(everyone: Tensor, rows: list[int], pieces: list[Tensor], group: Group) -> Evaluation:
    """The scores of all processes, given those of this one's samples, `rows`, and zeros."""
    scores = everyone.clone()
    if pieces:
        scores[rows] = torch.cat(pieces).cpu().double()
    # The order of summation cannot matter, for all terms but one are 0.
    return Evaluation(group.sum(scores))
