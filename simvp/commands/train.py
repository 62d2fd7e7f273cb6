"""`simvp train`: fit the network, in this process or in a group."""

from pathlib import Path

from simvp.commands import fitting, members, trials
from simvp.commands.fitting import Data, check_batch_size, open_data, visits
from simvp.commands.minutes import resolve_minutes
from simvp.commands.scoring import make_task, score
from simvp.commands.trained_run import check_same_data, find_weights
from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine import losses, network_cost
from simvp.engine.epoch_log import check_tensorboard
from simvp.engine.recipes import resolve_recipe
from simvp.engine.trials import Plan
from simvp.engine.weights import StoredWeights, read_weights
from simvp.progress import Report, Summary
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.group import Group
from simvp.storage import checkpoint


def run(
    config: Config,
    report: Report,
    *,
    resume: bool,
    overwrite: bool,
    and_test: bool,
    print_model: bool,
) -> Summary:
    """Train the run that the config names; with `and_test`, score it afterwards.

    Args:
        print_model: only print what the network costs.
    Raises: UserError before anything is written, RunFailed or Interrupted later.
    """
    folder = RunFolder(config.run.folder)
    launched = launcher.restarted_since()
    # A process that died before it replaced an earlier run must not resume that one.
    if launched is not None and (not overwrite or folder.begun_since(launched)):
        resume, overwrite = True, False
    if not resume and not print_model:
        (folder.check_own if overwrite else folder.check_free)()
    if resume:
        check_same_data(config, folder)
    losses.load(config.train.loss)  # refuses an unknown name before anything is started
    check_tensorboard(config.run)
    if not print_model:
        config = resolve_minutes(config, folder, report, resume=resume)
    config, plan = trials.plan_or_choice(config, folder, resume=resume)
    weights = _initial_weights(config, folder, resume)
    # Until a recipe has been chosen, the direct one shows whether settings and data fit.
    recipe = plan.direct if plan else resolve_recipe(config, weights)
    data = open_data(recipe)
    resolved = fitting.resolve(recipe, data, weights)
    if print_model:
        return _describe_network(resolved, data.split.data)
    check_batch_size(resolved, visits(resolved, data.train_set))
    if launcher.is_needed(config):
        flags = {"--resume": resume, "--overwrite": overwrite, "--test": and_test}
        arguments = ["train", *(flag for flag, given in flags.items() if given)]
        launcher.run(arguments, plan.base if plan else resolved)
        return Summary()
    with launcher.join(config) as group, folder.lock(is_main=group.is_main):
        if group.is_main and not resume and not overwrite:
            folder.check_free()  # again, now that nobody else can start a run here
        own_report = report if group.is_main else Report()
        resolved, summary = _train(resolved, plan, folder, group, own_report, data, resume=resume)
        if and_test:
            task = make_task(resolved, folder, data.split, data.split.data)
            files = find_weights(resolved, folder, "")
            trained = [read_weights(file) for file in files]
            tested = score(resolved, folder, trained, group, task, report)
            summary = Summary([*summary.lines, "", *tested.lines], tested.next_command)
        return summary if group.is_main else Summary()


def _train(
    config: Config,
    plan: Plan | None,
    folder: RunFolder,
    group: Group,
    report: Report,
    data: Data,
    *,
    resume: bool,
) -> tuple[Config, Summary]:
    """Run the trials that are planned, and train with what they decide: the config and results."""
    has_begun = bool(plan and plan.trials) or (resume and folder.trials_file.exists())
    if plan:
        config = trials.choose(plan, folder, group, report, data, resume=resume)
        data = open_data(config)
    fitting.read_frames(config, data, group, report)
    members.announce(config, 1, report)
    first = fitting.fit(
        *(config, folder, group, report, data),
        resume=resume,
        has_begun=has_begun,
    )
    others = members.train_others(config, folder, group, report, data)
    return config, fitting.summary(config, folder, [first, *others])


def _initial_weights(config: Config, folder: RunFolder, resume: bool) -> StoredWeights | None:
    """The weights that training starts from; None for random ones. Raises RunError."""
    found = checkpoint.newest_training(folder.checkpoints, lambda message: None) if resume else None
    if found is not None:
        return StoredWeights(folder.checkpoints, found["model"])
    return read_weights(Path(config.train.init_from)) if config.train.init_from else None


def _describe_network(config: Config, data: DataDescription) -> Summary:
    cost = network_cost(config, data)
    return Summary(
        [
            f"{config.model.model_type}, for frames of "
            + "x".join(str(size) for size in data.shape),
            f"{cost.parameters / 1e6:10.2f} M  parameters",
            f"{cost.multiply_adds / 1e9:10.2f} G  multiply-adds for the forecast of a sample",
            f"{cost.training_bytes / 1e9:10.2f} GB memory to train in batches of "
            f"{config.train.samples_per_step}, about",
        ]
    )
