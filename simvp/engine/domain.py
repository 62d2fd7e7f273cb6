"""What scores need to know of the data, and forecasts that need no network."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from simvp.data.card import DatasetCard
from simvp.data.cell_areas import relative_areas
from simvp.data.description import DataDescription
from simvp.data.scaling import Scaling
from simvp.data.series import Coordinates
from simvp.engine.evaluation import ForecastFunction
from simvp.metrics import Domain, Event, persistence

FORECAST, PERSISTENCE, TRAINING_MEAN = "forecast", "persistence", "training_mean"


def build_domain(
    data: DataDescription, card: DatasetCard, coordinates: Coordinates, device: torch.device
) -> Domain:
    """The units, the areas of the cells and the events of forecast frames.

    Args:
        card: names the thresholds.
        coordinates: of rows and columns.
    """
    scaling = data.forecast_scaling
    areas = relative_areas(coordinates)
    precise = torch.float32 if device.type == "mps" else torch.float64
    return Domain(
        low=scaling.low,
        span=scaling.span,
        area=None if areas is None else torch.from_numpy(areas).to(precise).to(device),
        events=tuple(_events(card, data.forecast_channels, scaling)),
    )


def _events(card: DatasetCard, channels: Sequence[str], scaling: Scaling) -> list[Event]:
    """The events of each channel, by increasing threshold.

    A threshold is scaled as the frames are, in float32: a value at the threshold stays there.
    """
    found = []
    for number, channel in enumerate(channels):
        for value in sorted(set(card.channel(channel).thresholds)):
            same = np.full((len(channels), 1, 1), value, np.float32)
            threshold = float(scaling.to_unit(same)[number, 0, 0])
            found.append(Event(number, threshold, value))
    return found


def baselines(data: DataDescription) -> dict[str, ForecastFunction]:
    """Persistence, and the mean of the training part if it is known."""
    found: dict[str, ForecastFunction] = {PERSISTENCE: persistence}
    if data.mean is not None:
        mean = torch.tensor(data.mean)[:, None, None]

        def training_mean(inputs: Tensor, steps: int) -> Tensor:
            batch, _, channels, height, width = inputs.shape
            return mean.to(inputs).expand(batch, steps, channels, height, width)

        found[TRAINING_MEAN] = training_mean
    return found
