"""Scoring forecasts: each window once, by whichever process, with the same result for any number.

N: windows; M: members; B: batch; T: forecast steps; C: channels, C' of which are forecast, the
first ones; H, W: height and width; K: terms.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from simvp import metrics
from simvp.config import Config
from simvp.data.batches import WindowDataset, batches, scoring_batches
from simvp.data.climatology import Climatology
from simvp.metrics import SCORES, Domain, Truth
from simvp.metrics.bootstrap import interval
from simvp.progress import Advance
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group

CLIMATOLOGY = "climatology"

ForecastFunction = Callable[[Tensor, int], Tensor]
# Called with ids, inputs, truths and forecasts of a batch, all of them on the device. Truths and
# forecasts have the forecast channels only.
Consumer = Callable[[Sequence[str], Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class Evaluation:
    """The scores of every forecast frame, float64.

    Attributes:
        values: for each score (N, T, ...), further axes as its function returns them, see
            `metrics.scores`.
    """

    values: Mapping[str, Tensor]

    def mean(self, name: str) -> Tensor:
        """A score over all windows and steps: (), (C',) or (events,)."""
        return SCORES[name].combined(self._terms(name).sum(dim=(0, 1)))

    def per_step(self, name: str) -> Tensor:
        """A score over all windows for each step, (T, ...)."""
        return SCORES[name].combined(self._terms(name).sum(dim=0))

    def per_window(self, name: str) -> Tensor:
        """A score over all steps for each window, (N, ...)."""
        return SCORES[name].combined(self._terms(name).sum(dim=1))

    def interval(self, name: str, blocks: Sequence[str]) -> Tensor | None:
        """The 95 % interval of `mean`, (2, ...); None if all windows are of one series.

        Args:
            blocks: the series of each window.
        """
        return interval(self._terms(name).sum(dim=1), blocks, SCORES[name].combined)

    def left_out(self) -> dict[str, int]:
        """The number of frames where a score is not defined, which means leave out."""
        counts = {
            name: int((~self.values[name].isfinite()).sum())
            for name in metrics.NAMES
            if name in self.values
        }
        return {name: count for name, count in counts.items() if count}

    def loss(self, shape: tuple[int, int, int]) -> float:
        """The mean squared error per value of frames (C', H, W), by which weights are chosen."""
        return float(self.values["mse"].mean()) / math.prod(shape)  # not finite if a forecast isn't

    def losses(self, shape: tuple[int, int, int]) -> Tensor:
        """The loss of each window, (N,)."""
        return self.values["mse"].mean(dim=1) / math.prod(shape)

    def _terms(self, name: str) -> Tensor:
        return SCORES[name].terms(self.values[name])


@torch.inference_mode()
def evaluate(
    forecasters: Mapping[str, ForecastFunction],
    dataset: WindowDataset,
    config: Config,
    group: Group,
    *,
    num_forecast: int,
    advance: Advance,
    names: Sequence[str] = metrics.NAMES,
    domain: Domain | None = None,
    climatology: Climatology | None = None,
    consume: Consumer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Evaluation]:
    """Score every forecaster on every window of the dataset, in `metrics.precision`.

    Args:
        forecasters: functions of inputs (B, T, C, H, W) and a number of steps that return as many
            frames, or those of M members, (M, B, T, C, H, W), whose mean is the forecast. All are
            scored; the forecasts of the first one go to `consume`.
        num_forecast: number of channels C' that are forecast; further ones are not scored.
        advance: called with the number of windows that are done.
        names: of the scores.
        domain: what the scores need to know of the data.
        climatology: is scored as well if it depends on the season.
        consume: called for each batch.
        should_stop: whether to give up waiting for data, see `batches`.
    Returns: for each forecaster its scores, the same in every process.
    """
    pre = config.data.pre_seq_length
    domain = domain or Domain()
    local = scoring_batches(
        len(dataset), config.train.val_batch_size, rank=group.rank, world_size=group.world_size
    )
    scored: dict[str, list[Tensor]] = {name: [] for name in forecasters}
    if climatology is not None and climatology.is_seasonal:
        scored[CLIMATOLOGY] = []
    consumed = next(iter(forecasters))
    for indices, frames in batches(dataset, local, group.device.type, None, should_stop):
        frames = frames.to(group.device, non_blocking=True)
        inputs, true = frames[:, :pre], frames[:, pre:, :num_forecast]
        usual = None
        if climatology is not None:
            usual = climatology.of(dataset, indices.tolist(), first=pre).to(group.device)
        truth = Truth.of(true, domain, usual, config.metrics.ssim_data_range)
        for name in scored:
            if name == CLIMATOLOGY and usual is not None:
                pred = usual
            else:
                with autocast(group.device, config.metrics.precision):
                    pred = forecasters[name](inputs, true.shape[1])
                pred = pred[..., :num_forecast, :, :].float()
            found = metrics.scores(pred, truth, names).values()
            # Side by side on the device: nothing waits for it.
            scored[name].append(torch.cat([v.reshape(*true.shape[:2], -1) for v in found], dim=-1))
            if consume is not None and name == consumed:
                mean = pred.mean(dim=0) if pred.ndim > true.ndim else pred
                consume(dataset.ids(indices.tolist()), inputs, true, with_holes(inputs, mean))
        advance(len(indices) * group.world_size, "")
    rows = [index for indices in local for index in indices]
    shapes = {name: SCORES[name].shape(domain, num_forecast) for name in names}
    size = (len(dataset), dataset.window - pre)
    return {name: _gathered(size, shapes, rows, pieces, group) for name, pieces in scored.items()}


def with_holes(inputs: Tensor, forecast: Tensor) -> Tensor:
    """The forecast (..., B, T, C', H, W), NaN where all inputs of a channel are missing: land."""
    of_forecast = inputs[:, :, : forecast.shape[-3]]
    return torch.where(of_forecast.isnan().all(dim=1, keepdim=True), torch.nan, forecast)


def _gathered(
    size: tuple[int, int],
    shapes: Mapping[str, tuple[int, ...]],
    rows: list[int],
    pieces: list[Tensor],
    group: Group,
) -> Evaluation:
    """The scores of all processes.

    Args:
        size: number of windows and of forecast steps.
        shapes: of each score for one frame.
        rows, pieces: this process's windows and their scores.
    """
    widths = [math.prod(shape) for shape in shapes.values()]
    scores = torch.zeros(*size, sum(widths), dtype=torch.float64)
    if pieces:
        scores[rows] = torch.cat(pieces).cpu().double()
    # The order of summation does not matter: all terms but one are 0.
    columns = torch.split(group.sum(scores), widths, dim=-1)
    return Evaluation(
        {
            name: values.reshape(*size, *shape)
            for (name, shape), values in zip(shapes.items(), columns, strict=True)
        }
    )
