"""The size of the increments from frame to frame in the training part."""

import numpy as np

from simvp.data.batches import WindowDataset

_NUM_WINDOWS = 256  # evenly spaced


def increment_scale(train_set: WindowDataset, num_forecast: int) -> tuple[float, ...]:
    """Root mean square of the increments of each forecast channel, (C',), in network units.

    It is the standard deviation about 0, because the network starts from increments of 0. 1 for a
    channel that never changes. Missing values are left out. The result is a function of the windows
    alone, the same in every process.

    Args:
        num_forecast: number of channels C' that are forecast, the first ones.
    """
    count, squares = np.zeros((2, num_forecast))
    chosen = np.linspace(0, len(train_set) - 1, min(len(train_set), _NUM_WINDOWS))
    for index in chosen.round().astype(int).tolist():
        frames = train_set[index][:, :num_forecast].numpy().astype(np.float64)
        increments = np.diff(frames, axis=0)
        count += np.isfinite(increments).sum(axis=(0, 2, 3))
        squares += np.nansum(increments**2, axis=(0, 2, 3))
    scales = np.sqrt(squares / np.maximum(count, 1))
    return tuple(np.where(scales > 0, scales, 1.0).tolist())
