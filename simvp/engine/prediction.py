"""Forecasts of many series, by all processes of a group.

N: forecasts; S: steps; T: input frames; C: channels, C' of which are forecast; H, W: a frame.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from simvp.data.batches import scoring_batches
from simvp.data.origins import Origin
from simvp.engine.forecaster import Forecaster
from simvp.progress import Advance
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group


@torch.inference_mode()
def predict_all(
    forecaster: Forecaster,
    origins: Sequence[Origin],
    values: NDArray[np.float32],
    spread: NDArray[np.float32] | None,
    *,
    batch_size: int,
    precision: str,
    group: Group,
    advance: Advance,
) -> None:
    """Forecast from every origin; each process writes its share into `values`.

    Args:
        values: (N, S, C', H, W), receives physical values, NaN where all inputs are missing.
        spread: of the same shape, receives the standard deviation of the members; None if there is
            only one.
        batch_size: forecasts at a time.
        precision: of the network's calculations, as `metrics.precision`.
        advance: called with the number of forecasts that are done.
    Raises: DataError if an input frame is damaged, or has missing values that the run was not
        trained on.
    """
    scaling, network = forecaster.data.scaling, forecaster.network
    for indices in scoring_batches(
        len(origins), batch_size, rank=group.rank, world_size=group.world_size
    ):
        frames = [
            origins[i].read(scaling, may_miss=network.takes_mask, num_forecast=network.num_forecast)
            for i in indices
        ]
        inputs = torch.from_numpy(np.stack(frames)).to(group.device)
        with autocast(group.device, precision):
            members = forecaster.members_from_scaled(inputs, values.shape[1])
        values[indices] = members.mean(dim=0).cpu().numpy()
        if spread is not None:
            spread[indices] = members.std(dim=0).cpu().numpy()
        advance(len(indices) * group.world_size, "")
