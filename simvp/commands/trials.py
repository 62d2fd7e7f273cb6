"""`train.recipe = "auto"`: try recipes in short trainings, and train with the best one."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from simvp.commands import fitting
from simvp.commands.fitting import Data, open_data, visits
from simvp.commands.members import of_member
from simvp.config import Config, Layer, option_layer, resolve, to_toml
from simvp.engine.history import Progress
from simvp.engine.recipes import describe_pass
from simvp.engine.state import check_unchanged, fixed_settings_of
from simvp.engine.trials import TRIAL_SHARE, Plan, Training, make_plan, with_recipe
from simvp.errors import ConfigError, RunError
from simvp.progress import ProgressOnly, Report, plural
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.group import Group
from simvp.storage.files import publish_text

Record = dict[str, Any]  # the content of trials.json

# Settings in which trainings of different recipes differ.
_SETTINGS = {
    "model": ("history", "block_frames", "target", "N_T"),
    "train": (
        *("recipe", "rollout", "rollout_share", "input_noise"),
        *("epochs", "windows_per_epoch", "batch_size"),
    ),
}

# Settings that every record has; earlier versions recorded fewer of those above.
_ALWAYS_RECORDED = (
    *("train.recipe", "train.epochs", "train.windows_per_epoch"),
    *("model.history", "model.block_frames", "model.target"),
)


def plan_or_choice(
    config: Config, folder: RunFolder, *, resume: bool
) -> tuple[Config, Plan | None]:
    """The config and, if its recipe is still to be chosen, the plan of the trials.

    A choice that an earlier process has made is part of the config. The epochs of the budget, given
    again, stand for those that the trials left.

    Raises: ConfigError if there can be no trials; RunError if the run has been trained without.
    """
    record = read_trials(folder) if resume else None
    if record is not None and record["choice"] is not None:
        budget = record["made_with"]["train.epochs"]
        if config.train.recipe == "auto" or config.train.epochs == budget:
            return _as_chosen(config, record, folder), None
    if config.train.recipe != "auto":
        return config, None
    if config.train.init_from:
        return config, None  # the recipe is that of the weights
    planned = plan(config)
    if resume and record is None and planned.trials:
        if any(folder.checkpoints.glob("*.pth")):
            raise RunError(
                f"{folder.path}: has been trained without trials of recipes; resume it without "
                "--recipe auto, or start another run with --name NAME"
            )
        folder.check_resumable()
    return config, planned


def plan(config: Config) -> Plan:
    """What a run with `train.recipe = "auto"` tries. Raises UserError if there can be no trials."""
    direct = with_recipe(config, "direct")
    data = open_data(direct)
    resolved = fitting.resolve(direct, data, None)
    model, train = resolved.model, resolved.train
    independent = {
        "data": resolved.data,
        "metrics": resolved.metrics,
        "model": config.model.model_copy(
            update={"boundary": model.boundary, "standardize": model.standardize}
        ),
        "train": config.train.model_copy(
            update={"augment": train.augment, "precision": train.precision}
        ),
    }
    return make_plan(
        config.model_copy(update=independent),
        lambda recipe: visits(recipe, open_data(recipe).train_set),
        data.split.data,
        launcher.num_processes(config),
    )


def choose(
    plan: Plan, folder: RunFolder, group: Group, report: Report, data: Data, *, resume: bool
) -> Config:
    """Run the trials that are not done yet, and return the settings of the run itself.

    All processes call this.

    Args:
        data: of the direct recipe.
    Raises: RunError if settings or data have changed since the trials began; what `fitting.fit`
        raises.
    """
    if not plan.trials:
        report.say(f"recipe auto: direct, without trials, because {_why_no_trials(plan)}")
        return fitting.resolve(plan.direct, data, None)
    made_with = _made_with(plan, data, group)
    record = read_trials(folder) if resume else None
    begins = record is None
    record = record or _new_record(plan, made_with)
    check_unchanged(record["made_with"], made_with)
    _announce(plan, report)
    for name, trial in plan.trials.items():
        entry = record["trials"][name]
        if entry["validation_loss"] is None:
            begin = partial(_begin, plan, folder, record, data) if begins else None
            progress = _try(name, trial, folder.trial(name), group, report, begin)
            begins = False
            entry["validation_loss"] = progress.best_loss
            entry["persistence_loss"] = progress.persistence_loss
            _write(folder, record, group)
        report.say(
            f"trial of {name}: val loss {entry['validation_loss']:.4g} "
            f"(persistence {entry['persistence_loss']:.4g})"
        )
    best = min(plan.trials, key=lambda name: record["trials"][name]["validation_loss"])
    rest = plan.rest(best)
    reason = f"the lowest validation loss over {plan.base.data.aft_seq_length} forecast frames"
    record["choice"] = {"trial": best, "reason": reason, **_describe(rest)}
    _write(folder, record, group)
    report.say(f"chosen: {best} (lowest val loss); left for the run: {_length(rest, plan)}")
    return fitting.resolve(rest.config, open_data(rest.config), None)


def _try(
    name: str,
    trial: Training,
    folder: RunFolder,
    group: Group,
    report: Report,
    begin: Callable[[], None] | None,
) -> Progress:
    """Train in the folder of a trial, or complete the training there.

    Args:
        begin: called by the main process once the frames have been read, if given.
    """
    data = open_data(trial.config)
    config = of_member(fitting.resolve(trial.config, data, None), 1)
    fitting.read_frames(config, data, group, report)
    group.wait()  # every process has read what there is before one of them changes the folder
    if begin is not None and group.is_main:
        begin()
    group.wait()
    resume = any(folder.checkpoints.glob("*.pth"))
    details = ProgressOnly(report, f"trial of {name}")
    return fitting.fit(config, folder, group, report, data, resume=resume, details=details)


def _begin(plan: Plan, folder: RunFolder, record: Record, data: Data) -> None:
    folder.begin(to_toml(plan.base), data.split.data.to_json())
    publish_text(folder.trials_file, json.dumps(record, indent=2) + "\n")


def _announce(plan: Plan, report: Report) -> None:
    """Say what is tried, and how much of the budget it takes."""
    epochs = plural(plan.base.train.epochs, "epoch")
    report.say(
        f"recipe auto: {len(plan.trials)} trials in {_percent(plan.spent, plan)} of the budget, "
        f"which is {epochs} of the direct recipe"
    )
    width = max(map(len, plan.trials))
    for name, trial in plan.trials.items():
        model = trial.config.model
        passes = describe_pass(model.block_frames, model.history, model.target)
        report.say(f"  {name:<{width}}  {_length(trial, plan)}: {passes}")


def _length(training: Training, plan: Plan) -> str:
    train = training.config.train
    epochs, windows = plural(train.epochs, "epoch"), plural(train.windows_per_epoch, "window")
    return f"{epochs} of {windows}, {_percent(training.activations, plan)} of the budget"


def _percent(activations: int, plan: Plan) -> str:
    return f"{100 * activations / plan.budget:.1f} %"


def _why_no_trials(plan: Plan) -> str:
    if len(plan.candidates) == 1:
        return "all recipes are the same with the given settings"
    epochs = plural(plan.base.train.epochs, "epoch")
    more = "--minutes" if plan.base.train.minutes else "--epochs"
    return f"{epochs} would be too short for them; use more {more}, or --recipe stepwise"


def _made_with(plan: Plan, data: Data, group: Group) -> dict[str, Any]:
    """What the trials depend on: it must be the same when they are resumed."""
    base = plan.base
    return {
        "number of processes": group.world_size,
        "training samples": data.train_set.fingerprint(),
        "validation samples": data.val_set.fingerprint(),
        "data.pre_seq_length": base.data.pre_seq_length,
        "data.aft_seq_length": base.data.aft_seq_length,
        "train.epochs": base.train.epochs,
        **fixed_settings_of(base),
    }


def _new_record(plan: Plan, made_with: dict[str, Any]) -> Record:
    losses = {"validation_loss": None, "persistence_loss": None}
    return {
        "activations": plan.budget,
        "largest_share_of_trials": TRIAL_SHARE,
        "trials": {name: {**_describe(trial), **losses} for name, trial in plan.trials.items()},
        "choice": None,
        "made_with": made_with,
    }


def _describe(training: Training) -> dict[str, Any]:
    settings = {
        f"{section}.{key}": getattr(getattr(training.config, section), key)
        for section, keys in _SETTINGS.items()
        for key in keys
    }
    return {"activations": training.activations, "settings": settings}


def _as_chosen(config: Config, record: Record, folder: RunFolder) -> Config:
    """The config with the choice of earlier trials. Raises ConfigError if their budget differs."""
    chosen = record["choice"]["settings"]
    epochs = (record["made_with"]["train.epochs"], chosen["train.epochs"])
    if config.train.epochs not in epochs:
        raise ConfigError(
            f"train.epochs = {config.train.epochs}: the recipe of this run was chosen for a budget "
            f"of {epochs[0]} epochs, of which {epochs[1]} of the chosen recipe are left; to train "
            "longer, resume it without --recipe auto"
        )
    origin = str(folder.trials_file)
    layers = [option_layer(origin, key, value) for key, value in chosen.items()]
    return resolve([Layer("settings", config.model_dump()), *layers])


def read_trials(folder: RunFolder) -> Record | None:
    """The record of the trials; None if there is none. Raises RunError if it is damaged."""
    if not folder.trials_file.exists():
        return None
    try:
        text = folder.trials_file.read_text(encoding="utf-8")
        # The budget was first counted in multiply-adds. Shares of it are the same.
        record: Record = json.loads(text.replace('"multiply_adds"', '"activations"'))
        _check(record)
    except PermissionError:
        raise  # no damage
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise RunError(
            f"{folder.trials_file}: is damaged ({type(error).__name__}: {error}); restore it from "
            "a backup, or start over with --overwrite"
        ) from None
    return record


def _check(record: Record) -> None:
    """Raises KeyError or TypeError if something is missing that is read later."""
    float(record["activations"])
    int(record["made_with"]["train.epochs"])
    found = [{**trial} for trial in record["trials"].values()]
    for trial in found:
        for name in ("validation_loss", "persistence_loss"):
            float(trial[name] or 0)
    if record["choice"] is not None:
        record["choice"]["trial"], record["choice"]["reason"]
        found.append(record["choice"])
    for training in found:
        float(training["activations"])
        for key in _ALWAYS_RECORDED:
            training["settings"][key]


def _write(folder: RunFolder, record: Record, group: Group) -> None:
    if group.is_main:
        publish_text(folder.trials_file, json.dumps(record, indent=2) + "\n")
