"""Recipes: which settings they decide, and which combinations are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from simvp.config import Config
from simvp.engine.recipes import (
    describe_recipe,
    resolve_recipe,
    trained_steps,
    training_window,
)
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError


def resolved(
    pre: int,
    aft: int,
    *,
    model: dict[str, Any] | None = None,
    weights: StoredWeights | None = None,
    **train: Any,
) -> Config:
    data = {"pre_seq_length": pre, "aft_seq_length": aft}
    config = Config.model_validate({"data": data, "model": model or {}, "train": train})
    return resolve_recipe(config, weights)


def chosen(config: Config) -> tuple[Any, ...]:
    model, train = config.model, config.train
    passes = (train.rollout, train.rollout_share, train.input_noise)
    return (model.history, model.block_frames, model.target, *passes)


@pytest.mark.parametrize(
    ("aft", "passes"), [(1, 1), (10, 1), (11, 2), (30, 3)], ids=["1", "10", "11", "30"]
)
def test_direct_recipe_is_the_published_network(aft: int, passes: int) -> None:
    """All frames in one pass, fed back if there are more; all passes are trained all the time."""
    config = resolved(10, aft)
    assert chosen(config) == (10, 10, "frames", passes, 1.0, 0.0)
    assert (trained_steps(config), training_window(config)) == (aft, 10 + aft)


def test_stepwise_recipe_takes_small_steps() -> None:
    config = resolved(10, 9, recipe="stepwise")
    assert chosen(config) == (2, 2, "increments", 2, 0.1, 0.3)
    assert (trained_steps(config), trained_steps(config, 1)) == (4, 2)
    assert training_window(config) == 6
    assert describe_recipe(config) == (
        "stepwise: 2 frames per pass from the last 2, as increments; the last 10 % of "
        "the steps train 2 passes"
    )
    short = resolved(1, 1, recipe="stepwise")
    assert chosen(short) == (1, 1, "increments", 1, 0.1, 0.3)
    assert training_window(short) == 2
    assert describe_recipe(short) == ("stepwise: 1 frame per pass from the last 1, as increments")
    assert describe_recipe(resolved(10, 30)) == (
        "direct: 10 frames per pass from the last 10; trained with 3 passes"
    )


def test_sizes_are_those_of_the_network() -> None:
    def sizes(config: Config) -> tuple[Any, ...]:
        names = ("model_type", "hid_T", "N_S", "N_T", "mlp_ratio", "spatio_kernel_enc")
        return tuple(getattr(config.model, name) for name in names)

    for recipe in ("direct", "stepwise"):
        assert sizes(resolved(10, 9, recipe=recipe)) == ("unet", 128, 6, 2, 4.0, 7)
    gsta = {"model_type": "gsta"}
    assert sizes(resolved(10, 9, model=gsta)) == ("gsta", 64, 2, 8, 8.0, 3)
    assert sizes(resolved(10, 9, model=gsta, recipe="stepwise")) == ("gsta", 64, 2, 2, 8.0, 3)
    given = {"N_T": 6, "hid_T": 32, "N_S": 4, "mlp_ratio": 3.0, "spatio_kernel_enc": 5}
    assert sizes(resolved(10, 9, model=given)) == ("unet", 32, 4, 6, 3.0, 5)


@pytest.mark.parametrize(
    ("name", "expected"), [("stem.weight", "unet"), ("decoder.readout.weight", "gsta")]
)
def test_given_weights_say_what_network_they_are_of(name: str, expected: str) -> None:
    weights = StoredWeights(Path("weights.pth"), {name: torch.zeros(1)})
    assert resolved(4, 4, weights=weights).model.model_type == expected
    tau = resolved(4, 4, model={"model_type": "tau"}, weights=weights)
    assert tau.model.model_type == "tau"


def test_given_settings_stay() -> None:
    model = {"history": 5, "block_frames": 3, "target": "frames"}
    given = resolved(8, 9, model=model, recipe="stepwise", rollout=3, rollout_share=0.25)
    assert chosen(given) == (5, 3, "frames", 3, 0.25, 0.0)
    assert training_window(given) == 14
    assert resolve_recipe(given, None) == given


def test_noise_is_in_units_of_increments() -> None:
    increments = {"target": "increments"}
    assert resolved(8, 9, model=increments, recipe="direct").train.input_noise == 0.0
    given = resolved(8, 9, model=increments, recipe="direct", input_noise=0.3)
    assert given.train.input_noise == 0.3
    with pytest.raises(ConfigError, match=r"train.input_noise = 0.3: is in units of the incr"):
        resolved(8, 9, recipe="direct", input_noise=0.3)


def test_passes_beyond_the_horizon_are_not_trained() -> None:
    assert trained_steps(resolved(4, 5, recipe="stepwise", rollout=9)) == 5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"history": 4}, "model.history = 4: is more than the data.pre_seq_length = 3 input"),
        ({"block_frames": 4}, "model.block_frames = 4: is more than model.history = 3; a pass"),
        (
            {"history": 2, "block_frames": 3},
            "model.block_frames = 3: is more than model.history = 2; .* use 2 or less",
        ),
    ],
)
def test_impossible_lengths_are_refused(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolved(3, 4, model=model)


@pytest.mark.parametrize("recipe", ["direct", "stepwise"])
def test_given_weights_decide_about_the_target(recipe: str) -> None:
    for state, trained, other in (
        ({}, "frames", "increments"),
        ({"increment_scale": torch.ones(1)}, "increments", "frames"),
    ):
        weights = StoredWeights(Path("w.pth"), state)
        assert resolved(3, 4, weights=weights, recipe=recipe).model.target == trained
        with pytest.raises(ConfigError, match=f"w.pth were trained to forecast {trained}; use"):
            resolved(3, 4, weights=weights, model={"target": other})
