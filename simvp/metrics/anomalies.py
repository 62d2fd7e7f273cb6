"""Correlation of anomalies, the departures from what is usual. B: batch; T: frames; C: channels."""

import torch
from torch import Tensor

from simvp.metrics import Comparison, score


def _correlation(sums: Tensor) -> Tensor:
    covariance, of_pred, of_true = sums.unbind(dim=-1)
    return covariance / (of_pred * of_true).sqrt()


@score(
    "acc",
    direction="higher",
    per="channel",
    combine=_correlation,
    num_terms=3,
    needs_climatology=True,
)
def acc(frames: Comparison) -> Tensor:
    """Terms of the anomaly correlation coefficient, (B, T, C, 3).

    mean(p' t'), mean(p'^2) and mean(t'^2), weighted by the area of the cells, p' and t' the
    forecast and the truth minus the climatology. The score is the first divided by the root of the
    product of the others, after each has been averaged. 0 for frames without values.

    Source: WeatherBench-X, `weatherbenchX/metrics/deterministic.py`, class ACC.
    """
    truth = frames.truth
    assert truth.climatology is not None
    pred, true = (
        torch.where(truth.valid, values - truth.climatology, 0.0)
        for values in (frames.pred, truth.frames)
    )
    means = [truth.area_mean(product) for product in (pred * true, pred.square(), true.square())]
    return torch.stack(means, dim=-1).nan_to_num(0.0)
