"""Scores of forecast frames, per frame, in batches, on the device of the frames.

A score is added by writing a file here with a function decorated by `@score(...)`; the other
modules of this package show how. Nothing else has to change.

B: batch; T: frames; C: channels; H, W: height and width; M: scores. Frames are in [0, 1]. Scores
are computed per frame and averaged last, weighted by count: the result depends neither on the batch
size nor on the number of processes.
"""

import importlib
import pkgutil

import torch
from torch import Tensor

from simvp.metrics import errors
from simvp.metrics.registry import SCORES, Comparison, Score, SsimRange
from simvp.metrics.similarity import SSIM_WINDOW, ssim

# The modules imported above come first, so that the field's usual scores lead every table.
for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")

NAMES = tuple(name for name, entry in SCORES.items() if entry.per == "frame")
CHANNEL_NAMES = tuple(name for name, entry in SCORES.items() if entry.per == "channel")

__all__ = [
    "CHANNEL_NAMES",
    "NAMES",
    "SCORES",
    "SSIM_WINDOW",
    "Comparison",
    "Score",
    "SsimRange",
    "errors",
    "persistence",
    "scores",
    "ssim",
]


def scores(
    pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit"
) -> tuple[Tensor, Tensor]:
    """Compute all scores of each frame, on its device, in float64 where the device has it.

    Args:
        pred, true: (B, T, C, H, W), scaled to [0, 1].
        ssim_data_range: "unit" for 1.0; "frame" for the range of each true frame.
    Returns: (B, T, M), M as in NAMES, and (B, T, C, M), M as in CHANNEL_NAMES. Scores whose unit is
        "channel" are in [0, 1] units.
    Raises: ValueError if the shapes differ.
    """
    frames = Comparison.of(pred, true, ssim_data_range=ssim_data_range)
    of_frames, of_channels = (
        torch.stack([SCORES[name].function(frames) for name in names], dim=-1)
        for names in (NAMES, CHANNEL_NAMES)
    )
    return of_frames, of_channels


def persistence(inputs: Tensor, num_steps: int) -> Tensor:
    """The forecast "nothing changes": the last frame of (B, T, C, H, W), `num_steps` times."""
    return inputs[:, -1:].expand(-1, num_steps, -1, -1, -1)
