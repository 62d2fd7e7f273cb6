"""Training losses, chosen by `train.loss`: add one to `LOSSES`."""

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional as F

from simvp.errors import ConfigError, did_you_mean

# Forecast and truth, same shape, float32, scaled to [0, 1] -> the mean over all values, ().
Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    # Huber, Ann. Math. Statist. 35(1), 1964: quadratic up to errors of 0.1, linear beyond. With
    # PyTorch's default of 1 it would be quadratic for all errors on [0, 1].
    "huber": partial(F.huber_loss, delta=0.1),
}


def load(name: str) -> Loss:
    """The loss of that name. Raises ConfigError if there is none."""
    if name not in LOSSES:
        raise ConfigError(
            f"train.loss = {name!r}: unknown loss; choose one of {', '.join(LOSSES)}."
            f"{did_you_mean(name, LOSSES)}"
        )
    return LOSSES[name]
