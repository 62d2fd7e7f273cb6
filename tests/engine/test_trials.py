"""Which recipes are tried, and that trials and run stay within the budget."""

import math
from typing import Any

import pytest
from helpers import describe_data

from simvp.config import Config
from simvp.data.windows import window_starts
from simvp.engine.recipes import training_window
from simvp.engine.trials import Plan, make_plan, recipes_to_try
from simvp.errors import ConfigError

FRAMES, SAMPLES = 20, 7


def settings(pre: int = 6, aft: int = 5, **sections: dict[str, Any]) -> Config:
    small = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "boundary": "zeros", "standardize": False}
    return Config.model_validate(
        {
            "data": {"pre_seq_length": pre, "aft_seq_length": aft},
            "model": {**small, **sections.get("model", {})},
            "train": {"recipe": "auto", **sections.get("train", {})},
        }
    )


def num_windows(config: Config) -> int:
    """Of samples of 20 frames."""
    found = SAMPLES * len(window_starts(FRAMES, training_window(config), config.data.stride))
    return min(config.train.windows_per_epoch or found, found)


def plan(config: Config, world_size: int = 1) -> Plan:
    return make_plan(config, num_windows, describe_data((1, 12, 16)), world_size)


def frames_per_pass(config: Config) -> dict[str, Any]:
    tried = recipes_to_try(config)
    return {name: (c.model.history, c.model.block_frames) for name, c in tried.items()}


def test_small_steps_and_steps_of_half_the_input_are_tried() -> None:
    tried = {"direct": (10, 10), "stepwise_2": (2, 2), "stepwise_5": (5, 5)}
    assert frames_per_pass(settings(10)) == tried
    assert [c.train.recipe for c in recipes_to_try(settings(10)).values()] == [
        *("direct", "stepwise", "stepwise")
    ]
    assert frames_per_pass(settings(7)) == {
        **{"direct": (7, 7), "stepwise_2": (2, 2), "stepwise_4": (4, 4)}
    }


def test_equal_recipes_are_tried_once() -> None:
    assert frames_per_pass(settings(4)) == {"direct": (4, 4), "stepwise_2": (2, 2)}
    assert frames_per_pass(settings(1)) == {"direct": (1, 1), "stepwise_1": (1, 1)}


def test_given_settings_are_those_of_every_recipe() -> None:
    given = settings(10, model={"block_frames": 3})
    assert frames_per_pass(given) == {
        **{"direct": (10, 3), "stepwise_2": (3, 3), "stepwise_5": (5, 3)}
    }
    all_given = {"history": 3, "block_frames": 2, "target": "frames"}
    rollout = {"rollout": 1, "rollout_share": 1.0}
    assert frames_per_pass(settings(model=all_given, train=rollout)) == {"direct": (3, 2)}
    assert plan(settings(model=all_given, train=rollout)).trials == {}


def test_given_noise_is_that_of_the_recipes_with_increments() -> None:
    def noise(**sections: dict[str, Any]) -> list[float | str]:
        tried = recipes_to_try(settings(10, train={"input_noise": 0.3}, **sections))
        return [config.train.input_noise for config in tried.values()]

    assert noise() == [0.0, 0.3, 0.3]
    assert noise(model={"target": "increments"}) == [0.3, 0.3, 0.3]
    with pytest.raises(ConfigError, match="is in units of the increments"):
        noise(model={"target": "frames"})


@pytest.mark.parametrize(
    ("world_size", "batch_size", "windows"),
    [(1, "auto", 0), (3, "auto", 31), (1, 5, 31), (3, 5, 0)],
)
def test_trials_and_run_stay_within_the_budget(
    world_size: int, batch_size: int | str, windows: int
) -> None:
    train = {"epochs": 400, "batch_size": batch_size, "windows_per_epoch": windows}
    found = plan(settings(10, 10, train=train), world_size)
    assert list(found.trials) == ["direct", "stepwise_2", "stepwise_5"]
    visited = windows or SAMPLES  # 20 frames are one window of 10 + 10
    direct = found.candidates["direct"]
    each = math.ceil(min(visited, SAMPLES) / world_size) * world_size
    assert found.budget == 400 * each * direct.cost.all_passes
    assert 0.2 * found.budget < found.spent <= 0.25 * found.budget
    for name in found.trials:
        rest = found.rest(name)
        assert 0.9 * found.budget < found.spent + rest.activations <= found.budget
        train_section = rest.config.train
        assert train_section.windows_per_epoch <= found.candidates[name].num_windows
        assert found.candidates[name].num_windows <= (windows or math.inf)


def test_short_runs_have_no_trials() -> None:
    """A trial of fewer than ten steps tells nothing."""
    for epochs, has_trials in ((5, False), (60, True)):
        found = plan(settings(10, 10, train={"epochs": epochs, "batch_size": 2}))
        assert bool(found.trials) == has_trials
        assert found.direct.train.epochs == epochs
