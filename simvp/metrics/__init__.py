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

from simvp.metrics.errors import channel_errors
from simvp.metrics.registry import SCORES, Comparison, Score, SsimRange
from simvp.metrics.similarity import SSIM_WINDOW, ssim

# The modules imported above come first, so the scores that are usual in the field lead every table.
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
    "channel_errors",
    "channel_scores",
    "frame_scores",
    "persistence",
    "ssim",
]


def frame_scores(pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit") -> Tensor:
    """All scores of each frame: (B, T, C, H, W) twice -> (B, T, M), M as in NAMES.

    On the device of the frames, in float64 where it has that.

    Raises: ValueError if the shapes differ.
    """
    frames = Comparison.of(pred, true, ssim_data_range=ssim_data_range)
    return torch.stack([SCORES[name].function(frames) for name in NAMES], dim=-1)


def channel_scores(pred: Tensor, true: Tensor) -> Tensor:
    """All scores of each channel: (B, T, C, H, W) twice -> (B, T, C, M), M as in CHANNEL_NAMES.

    For data in [0, 1]: those with the unit "channel" are to be multiplied by the channel's range.

    Raises: ValueError if the shapes differ.
    """
    frames = Comparison.of(pred, true)
    return torch.stack([SCORES[name].function(frames) for name in CHANNEL_NAMES], dim=-1)


def persistence(inputs: Tensor, num_steps: int) -> Tensor:
    """The forecast "nothing changes": the last frame of (B, T, C, H, W), `num_steps` times."""
    return inputs[:, -1:].expand(-1, num_steps, -1, -1, -1)
