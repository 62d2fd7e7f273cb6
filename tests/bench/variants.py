"""Trainings with changes that are no settings of simvp; simvp/docs/recipe.md has their results.

    python tests/bench/variants.py averaged train --data-path flow --name averaged
    simvp test --name averaged --weights work_dirs/averaged/averaged.pth
    python tests/bench/variants.py gradients train --data-path flow --name gradients

The first argument names the change, the others are those of `simvp`, in one process:

averaged: writes an exponential moving average of the weights to averaged.pth in the run's folder;
    the training itself is not changed.
gradients: the loss is the squared error of the frames plus that of their differences between
    neighbouring cells, which weighs small scales more.
spectrum: the loss is the squared error, plus as much times the squared logarithm of the energy in
    bins of wavenumbers relative to the truth (in the spirit of arXiv 2502.00472).

B: batch; T: frames; C: channels; H, W: height and width.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from simvp.cli import app
from simvp.engine import losses
from simvp.engine.learner import Learner
from simvp.engine.trainer import Trainer
from simvp.storage import checkpoint

_DECAY = 0.99  # of the average in a step: over about 100 steps
_FLOOR = 1e-6  # of an energy, relative to that of the whole spectrum


def with_gradients(pred: Tensor, true: Tensor) -> Tensor:
    """Squared error of (B, T, C, H, W) plus that of the differences along y and x, ()."""
    error = pred - true
    along_y, along_x = error.diff(dim=-2), error.diff(dim=-1)
    return error.square().mean() + along_y.square().mean() + along_x.square().mean()


def with_spectrum(pred: Tensor, true: Tensor) -> Tensor:
    """Squared error of (B, T, C, H, W) times one plus the error of the log spectrum, ()."""
    error = F.mse_loss(pred, true)
    energy, expected = _spectrum(pred), _spectrum(true)
    floor = _FLOOR * expected.sum(dim=-1, keepdim=True)
    ratio = (energy + floor) / (expected + floor)
    return error + error.detach() * ratio.log().square().mean()


def _spectrum(frames: Tensor) -> Tensor:
    """Energy in bins of one wavenumber: (B, T, C, H, W) -> (B, T, C, K), without the mean."""
    rows, columns = frames.shape[-2:]
    energy = torch.fft.rfft2(frames).abs().square().flatten(-2)
    wavenumber = torch.hypot(torch.fft.fftfreq(rows, 1 / rows)[:, None], _half(columns))
    bins = wavenumber.round().long().flatten()
    total = energy.new_zeros(*energy.shape[:-1], int(bins.max()) + 1)
    return total.index_add(-1, bins, energy)[..., 1 : min(rows, columns) // 2]


def _half(size: int) -> Tensor:
    return torch.fft.rfftfreq(size, 1 / size)


def average_weights() -> None:
    """Make trainers average the weights, and write the average after the last epoch."""
    averages: dict[Learner, dict[str, Tensor]] = {}
    step, fit = Learner.step, Trainer.fit

    def averaging_step(self: Learner, *arguments: Any, **options: Any) -> Tensor:
        loss = step(self, *arguments, **options)
        state = self.network.state_dict()
        average = averages.setdefault(self, {name: value.clone() for name, value in state.items()})
        for name, value in state.items():
            average[name].lerp_(value, 1 - _DECAY)
        return loss

    def averaging_fit(self: Trainer) -> None:
        fit(self)
        path = Path(self.folder.path) / "averaged.pth"
        checkpoint.save(path, averages.pop(self.learner))

    Learner.step, Trainer.fit = averaging_step, averaging_fit  # type: ignore[method-assign]


def main() -> None:
    variant, *arguments = sys.argv[1:]
    if variant == "averaged":
        average_weights()
    else:
        loss = {"gradients": with_gradients, "spectrum": with_spectrum}[variant]
        losses.LOSSES[variant] = loss
        arguments += ["--set", f"train.loss={variant}"]
    app(arguments)


if __name__ == "__main__":
    main()
