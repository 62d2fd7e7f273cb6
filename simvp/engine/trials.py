"""Trials of recipes: which ones, how long each is, and what is left for the run itself.

The budget of a run with `train.recipe = "auto"` is that of the direct recipe with the configured
epochs. It is counted in activations, not in time, so that the same command always does the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine.automatic import choose_batch_size
from simvp.engine.cost import WindowCost, training_activations, window_cost
from simvp.engine.recipes import resolve_recipe

TRIAL_SHARE = 0.25  # of the budget, for all trials together

# Fewer steps tell nothing about a recipe.
_FEWEST_STEPS = 10


@dataclass(frozen=True)
class Training:
    """A training of a certain length.

    Attributes:
        config: its epochs, windows per epoch and batch size are numbers.
        activations: of its forward passes.
    """

    config: Config
    activations: int


@dataclass(frozen=True)
class Candidate:
    """A recipe to try.

    Attributes:
        config: recipe resolved, length as configured.
        num_windows: number of training windows that an epoch can visit.
        cost: of a window.
    """

    config: Config
    num_windows: int
    cost: WindowCost

    def within(self, budget: int, world_size: int) -> Training | None:
        """The longest training whose activations are in the budget; None if it is too short.

        It has as few epochs as possible, because each ends with a validation.
        """
        share = self.config.train.rollout_share
        assert isinstance(share, float)
        per_window = (1 - share) * self.cost.one_pass + share * self.cost.all_passes
        windows = int(budget / per_window)
        while windows > 0:
            epochs, visits = self._epochs(windows)
            found = self.training(epochs, visits, world_size)
            train = found.config.train
            if windows < _FEWEST_STEPS * train.samples_per_step * world_size:
                return None
            if found.activations <= budget:
                return found
            windows -= epochs  # batches and windows of processes are rounded up
        return None

    def _epochs(self, windows: int) -> tuple[int, int]:
        """Epochs, and windows that each visits, of the largest product up to `windows`."""
        fewer, more = windows // self.num_windows, math.ceil(windows / self.num_windows)
        found = [(epochs, windows // epochs) for epochs in (fewer, more) if epochs]
        return max(
            ((epochs, min(visits, self.num_windows)) for epochs, visits in found), key=math.prod
        )

    def training(self, epochs: int, num_windows: int, world_size: int) -> Training:
        """A training of these epochs, each of which visits that many windows."""
        train = self.config.train
        batch_size = train.batch_size
        if batch_size == "auto":
            batch_size = choose_batch_size(epochs, math.ceil(num_windows / world_size))
        length = {"epochs": epochs, "windows_per_epoch": num_windows, "batch_size": batch_size}
        config = self.config.model_copy(update={"train": train.model_copy(update=length)})
        return Training(config, training_activations(config, self.cost, world_size))


@dataclass(frozen=True)
class Plan:
    """What a run with `train.recipe = "auto"` tries.

    Attributes:
        base: the settings of the run; those that the recipe decides are not resolved.
        budget: activations of the whole run.
        candidates: by name; the first one is the direct recipe.
        trials: for each candidate; empty if the budget is too small or there is one candidate.
    """

    base: Config
    budget: int
    candidates: dict[str, Candidate]
    trials: dict[str, Training]
    world_size: int

    @property
    def direct(self) -> Config:
        """The direct recipe, with the length that is configured."""
        return next(iter(self.candidates.values())).config

    @property
    def spent(self) -> int:
        """Activations of all trials."""
        return sum(trial.activations for trial in self.trials.values())

    def rest(self, name: str) -> Training:
        """The training of a candidate with the budget that the trials leave."""
        found = self.candidates[name].within(self.budget - self.spent, self.world_size)
        assert found is not None  # a trial has a smaller budget
        return found


def make_plan(
    base: Config, num_windows: Callable[[Config], int], data: DataDescription, world_size: int
) -> Plan:
    """Plan the trials.

    Args:
        base: everything but the recipe, the batch size and compilation is resolved.
        num_windows: number of training windows that an epoch visits with a recipe.
        world_size: number of processes that train together.
    Raises: ConfigError if settings contradict each other.
    """
    candidates = {
        name: Candidate(config, num_windows(config), window_cost(config, data))
        for name, config in recipes_to_try(base).items()
    }
    direct = candidates["direct"]
    whole = direct.training(base.train.epochs, direct.num_windows, world_size)
    part = int(TRIAL_SHARE * whole.activations) // len(candidates)
    found = {name: candidate.within(part, world_size) for name, candidate in candidates.items()}
    trials = {name: trial for name, trial in found.items() if trial is not None}
    if len(candidates) == 1 or len(trials) < len(candidates):
        trials = {}
    return Plan(base, whole.activations, candidates, trials, world_size)


def recipes_to_try(base: Config) -> dict[str, Config]:
    """The direct recipe, and the stepwise one with 2 and with half of the input frames per pass.

    Settings that are given stay. A recipe with the same settings as an earlier one is left out.
    Raises: ConfigError if settings contradict each other.
    """
    pre = base.data.pre_seq_length
    tried = {"direct": with_recipe(base, "direct")}
    for frames in (min(2, pre), math.ceil(pre / 2)):
        config = with_recipe(base, "stepwise", frames)
        if all(_decided(config) != _decided(other) for other in tried.values()):
            tried[f"stepwise_{frames}"] = config
    return tried


def with_recipe(base: Config, recipe: str, frames: int | None = None) -> Config:
    """A recipe to try, resolved; with a number of frames per pass, where none is given.

    Noise that is given holds for those that forecast increments, in whose units it is.
    """
    model = base.model
    history, block = model.history, model.block_frames
    if frames is not None and history == "auto":
        history = frames if block == "auto" else max(frames, int(block))
    if frames is not None and block == "auto":
        block = min(frames, int(history))
    model = model.model_copy(update={"history": history, "block_frames": block})
    train = base.train.model_copy(update={"recipe": recipe})
    if recipe == "direct" and model.target != "increments":
        train = train.model_copy(update={"input_noise": 0.0})
    return resolve_recipe(base.model_copy(update={"model": model, "train": train}), None)


def _decided(config: Config) -> tuple[object, ...]:
    """What a recipe decides."""
    return config.model, config.train.rollout, config.train.rollout_share
