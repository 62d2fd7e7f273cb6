"""Recipes: how the frames to forecast are divided into passes of the network, and trained.

A pass forecasts `block_frames` frames from the last `history` ones. A forecast of `aft_seq_length`
frames takes as many passes as necessary, each of which is fed with the frames of the one before.
"""

import math

from simvp.config import Config
from simvp.config.training import ModelSection, TrainSection
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError

# Sizes of the networks where they are "auto".
_UNET = {
    **{"hid_T": 128, "N_S": 6, "N_T": 2, "mlp_ratio": 4.0},
    **{"spatio_kernel_enc": 7, "spatio_kernel_dec": 7},
}
_SIMVP = {
    **{"hid_T": 64, "N_S": 2, "N_T": 8, "mlp_ratio": 8.0},
    **{"spatio_kernel_enc": 3, "spatio_kernel_dec": 3},
}
# A pass of few frames needs fewer blocks, which pays for more training steps.
_STEPWISE_SIMVP = {**_SIMVP, "N_T": 2}
_STEPWISE_FRAMES, _STEPWISE_PASSES, _STEPWISE_SHARE = 2, 2, 0.1
_UNET_RATE, _STEPWISE_RATE, _PUBLISHED_RATE = 0.01, 0.006, 0.001
# Makes the network correct errors of its own in long forecasts (Sanchez-Gonzalez et al., arXiv
# 2002.09405, section 3.3).
_STEPWISE_NOISE = 0.3


def resolve_recipe(config: Config, weights: StoredWeights | None) -> Config:
    """Decide the recipe and the settings that it determines, where they are "auto".

    Without trials, "auto" is the recipe of the weights, or the direct one.

    Args:
        weights: those that the network gets; None for random ones.
    Raises: ConfigError if the settings contradict each other or the weights.
    """
    model, train, data = config.model, config.train, config.data
    recipe = train.recipe
    if recipe == "auto":
        recipe = "stepwise" if weights is not None and weights.forecast_increments else "direct"
    pre, stepwise = data.pre_seq_length, recipe == "stepwise"
    history = _chosen(model.history, min(_STEPWISE_FRAMES, pre) if stepwise else pre)
    block = _chosen(model.block_frames, min(_STEPWISE_FRAMES, history) if stepwise else history)
    if history > pre:
        raise ConfigError(
            f"model.history = {history}: is more than the data.pre_seq_length = {pre} input "
            f"frames; use {pre} or less, or a larger --pre-seq-length"
        )
    if block > history:
        raise ConfigError(
            f"model.block_frames = {block}: is more than model.history = {history}; a pass "
            f"forecasts at most as many frames as it is given, use {history} or less"
        )
    passes = math.ceil(data.aft_seq_length / block)
    rollout = _chosen(train.rollout, min(_STEPWISE_PASSES, passes) if stepwise else passes)
    share = train.rollout_share
    if share == "auto":
        share = _STEPWISE_SHARE if stepwise else 1.0
    target = _target(config, recipe, weights)
    network = _network(model, stepwise, weights)
    of_model = {**network, "history": history, "block_frames": block, "target": target}
    of_train = {
        "recipe": recipe,
        "lr": _rate(train, recipe, network["model_type"]),
        "rollout": rollout,
        "rollout_share": share,
        "input_noise": _noise(train.input_noise, recipe, target),
    }
    return config.model_copy(
        update={
            "model": model.model_copy(update=of_model),
            "train": train.model_copy(update=of_train),
        }
    )


def _chosen(setting: int | str, automatic: int) -> int:
    return setting if isinstance(setting, int) else automatic


def _network(
    model: ModelSection, stepwise: bool, weights: StoredWeights | None
) -> dict[str, int | float | str]:
    """The kind of network, and those of its sizes that depend on it."""
    kind = model.model_type
    if kind == "auto":
        kind = "unet" if weights is None or weights.are_of_unet else "gsta"
    automatic = _UNET if kind == "unet" else _STEPWISE_SIMVP if stepwise else _SIMVP
    given = {name: getattr(model, name) for name in automatic}
    sizes = {name: automatic[name] if x == "auto" else x for name, x in given.items()}
    return {"model_type": kind, **sizes}


def _rate(train: TrainSection, recipe: str, model_type: int | float | str) -> float | str:
    """The peak learning rate of Adam."""
    if train.lr != "auto" or train.optimizer != "muon":
        return _PUBLISHED_RATE if train.lr == "auto" else train.lr
    if model_type == "unet":
        return _UNET_RATE
    return _STEPWISE_RATE if recipe == "stepwise" else _PUBLISHED_RATE


def _target(config: Config, recipe: str, weights: StoredWeights | None) -> str:
    """What a pass forecasts. Raises ConfigError if the weights were trained otherwise."""
    target = config.model.target
    if weights is None:
        recommended = "increments" if recipe == "stepwise" else "frames"
        return recommended if target == "auto" else target
    trained = "increments" if weights.forecast_increments else "frames"
    if target not in ("auto", trained):
        raise ConfigError(
            f"model.target = {target!r}: the weights in {weights.path} were trained to forecast "
            f"{trained}; use --set model.target=auto"
        )
    return trained


def _noise(setting: float | str, recipe: str, target: str) -> float:
    """The noise of the input. Raises ConfigError if there are no increments to measure it by."""
    if isinstance(setting, str):
        return _STEPWISE_NOISE if (recipe, target) == ("stepwise", "increments") else 0.0
    if setting and target != "increments":
        raise ConfigError(
            f"train.input_noise = {setting}: is in units of the increments, but model.target = "
            f"{target!r}; use --recipe stepwise or --set model.target=increments, or leave it out"
        )
    return setting


def trained_steps(config: Config, passes: int | None = None) -> int:
    """Number of frames that a number of passes forecasts in training; by default, of all passes.

    Frames beyond `data.aft_seq_length` are not trained. The recipe has to be resolved.
    """
    block, rollout = config.model.block_frames, config.train.rollout
    assert isinstance(block, int) and isinstance(rollout, int)
    return min(block * (rollout if passes is None else passes), config.data.aft_seq_length)


def training_window(config: Config) -> int:
    """Number of frames of a training window: inputs of the network, and what it is to forecast."""
    assert isinstance(config.model.history, int)
    return config.model.history + trained_steps(config)


def describe_pass(block: int | str, history: int | str, target: str) -> str:
    """What a pass of a resolved recipe forecasts, in a few words."""
    count = "1 frame" if block == 1 else f"{block} frames"
    increments = ", as increments" if target == "increments" else ""
    return f"{count} per pass from the last {history}{increments}"


def describe_recipe(config: Config) -> str:
    """One line: what a pass forecasts, and how many of them are trained."""
    model, train = config.model, config.train
    passes = describe_pass(model.block_frames, model.history, model.target)
    line = f"{train.recipe}: {passes}"
    if trained_steps(config) > trained_steps(config, 1):
        assert isinstance(train.rollout_share, float)
        last = f"the last {100 * train.rollout_share:.0f} % of the steps train"
        when = "trained with" if train.rollout_share == 1 else last
        line += f"; {when} {train.rollout} passes"
    return line
