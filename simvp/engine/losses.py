"""Training losses: what the optimizer minimises, chosen by `train.loss`.

A loss is added by a function here under `@register("its name")`.
"""

from collections.abc import Callable

from torch import Tensor, nn

from simvp.errors import ConfigError, did_you_mean

# Forecast and truth, same shape, float32 -> the mean over all values, ().
Loss = Callable[[Tensor, Tensor], Tensor]

# Frames are in [0, 1]: with PyTorch's default of 1, the loss would be quadratic throughout.
HUBER_DELTA = 0.1

_LOSSES: dict[str, Loss] = {}


def register(name: str) -> Callable[[Loss], Loss]:
    """Make the decorated function the loss of that name."""

    def add(function: Loss) -> Loss:
        assert name not in _LOSSES, f"two losses are named {name}"
        _LOSSES[name] = function
        return function

    return add


def names() -> list[str]:
    """The losses that there are."""
    return list(_LOSSES)


def load(name: str) -> Loss:
    """The loss of that name. Raises: ConfigError if there is none."""
    if name not in _LOSSES:
        raise ConfigError(
            f"train.loss = {name!r}: there is no such loss; should be one of {', '.join(_LOSSES)}."
            f"{did_you_mean(name, _LOSSES)}"
        )
    return _LOSSES[name]


@register("mse")
def mean_squared_error(forecast: Tensor, true: Tensor) -> Tensor:
    return nn.functional.mse_loss(forecast, true)


@register("mae")
def mean_absolute_error(forecast: Tensor, true: Tensor) -> Tensor:
    return nn.functional.l1_loss(forecast, true)


@register("huber")
def huber(forecast: Tensor, true: Tensor) -> Tensor:
    """e^2 / 2 for errors e up to delta = 0.1, delta (|e| - delta / 2) beyond.

    Source: Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35(1), 1964.
    """
    return nn.functional.huber_loss(forecast, true, delta=HUBER_DELTA)
