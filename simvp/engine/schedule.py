"""Learning rate and number of passes as pure functions of the step."""

import math

# Smith and Topin, "Super-Convergence" (arXiv 1708.07120), with the defaults of PyTorch's
# OneCycleLR. The learning rate rises for 30 % of the steps from 1/25 of the peak; momentum falls.
_WARM_UP = 0.3
_DIV_FACTOR = 25.0
_MOMENTUM_AT_PEAK, _MOMENTUM_AT_ENDS = 0.85, 0.95


def one_cycle(step: int, total_steps: int, *, final_div_factor: float) -> tuple[float, float]:
    """Learning rate of a step relative to the peak, and momentum (beta1 of Adam).

    Args:
        step: index of the step, from 0 to `total_steps` - 1.
        final_div_factor: initial learning rate divided by the final one.
    """
    first = 1.0 / _DIV_FACTOR
    peak_step = _WARM_UP * total_steps - 1
    if step <= peak_step:
        progress = step / peak_step
        return _cosine(first, 1.0, progress), _cosine(
            _MOMENTUM_AT_ENDS, _MOMENTUM_AT_PEAK, progress
        )
    progress = (step - peak_step) / (total_steps - 1 - peak_step)
    factor = _cosine(1.0, first / final_div_factor, progress)
    return factor, _cosine(_MOMENTUM_AT_PEAK, _MOMENTUM_AT_ENDS, progress)


def num_passes(step: int, total_steps: int, *, rollout: int, share: float) -> int:
    """Number of passes of the network that a step trains: one at first, then `rollout`.

    Of 10 steps with a share of 0.4, the steps 6 to 9 train `rollout` passes.

    Args:
        step: index of the step, from 0 to `total_steps` - 1.
        share: share of the steps, the last ones, that train `rollout` passes.
    """
    return rollout if step >= total_steps - round(share * total_steps) else 1


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * progress))
