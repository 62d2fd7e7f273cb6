"""`simvp train`: fit the network, in this process or in a group."""

from pathlib import Path

from simvp.commands import setup, test
from simvp.commands.words import check_square, name_option
from simvp.config import Config, to_toml
from simvp.data import split as splits
from simvp.data.batches import SampleDataset
from simvp.data.card import read_card
from simvp.data.description import DataDescription
from simvp.engine import Trainer, build_network, count_parameters, losses, network_cost
from simvp.engine.weights import load_weights
from simvp.errors import ConfigError
from simvp.physics import parse_symmetries
from simvp.progress import Report, Summary
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.devices import free_memory
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
        print_model: only tell what the network costs.
    Raises: UserError before anything is written, RunFailed or Interrupted later.
    """
    folder = RunFolder(Path(config.run.work_dir) / config.run.name)
    if launcher.is_restart():
        resume, overwrite = True, False
    if not resume and not overwrite and not print_model:
        folder.check_free()
    losses.load(config.train.loss)  # refuses an unknown name before anything is started
    config = setup.resolve(config)
    train_set, val_set = _datasets(config)
    check_square(parse_symmetries(config.train.augment), train_set.frame_shape, "train.augment")
    config = setup.choose_batch_size(config, len(train_set))
    if print_model:
        return _describe_network(config, train_set)
    check_batch_size(config, len(train_set))
    if launcher.is_needed(config):
        flags = {"--resume": resume, "--overwrite": overwrite, "--test": and_test}
        launcher.run(["train", *(flag for flag, given in flags.items() if given)], config)
        return Summary()
    with setup.joined_group(config) as group:
        quiet = setup.for_rank(report, group)
        with setup.sole_writer(folder, group):
            summary = _fit(config, folder, group, quiet, train_set, val_set, resume=resume)
            if and_test:
                tested = test.score(config, folder, folder.best_model, group, quiet)
                summary = Summary([*summary.lines, "", *tested.lines], tested.next_command)
        return summary if group.is_main else Summary()


def _describe_network(config: Config, train_set: SampleDataset) -> Summary:
    cost = network_cost(config, train_set.frame_shape)
    return Summary(
        [
            f"{config.model.model_type}, for frames of "
            + "x".join(str(size) for size in train_set.frame_shape),
            f"{cost.parameters / 1e6:10.2f} M  parameters",
            f"{cost.multiply_adds / 1e9:10.2f} G  multiply-adds for the forecast of a sample",
            f"{cost.training_bytes / 1e9:10.2f} GB memory to train in batches of "
            f"{config.train.samples_per_step}, about",
        ]
    )


def check_batch_size(config: Config, num_samples: int) -> None:
    """Raises ConfigError if a process's batch is larger than its share of the samples."""
    processes = setup.num_processes(config)
    share = -(-num_samples // processes)
    if config.train.samples_per_step > share:
        raise ConfigError(
            f"train.batch_size = {config.train.samples_per_step}: there are {num_samples} training "
            f"samples for {processes} process{'es' if processes > 1 else ''}; use --batch-size "
            f"{share} or less, or make more samples"
        )


def _datasets(config: Config) -> tuple[SampleDataset, SampleDataset]:
    split = splits.read(Path(config.data.split))
    length = config.data.pre_seq_length + config.data.aft_seq_length
    train_set = SampleDataset(split.part("train"), num_frames=length)
    val_set = SampleDataset(split.part("validation"), num_frames=length)
    val_set.check_same_shape(train_set)
    return train_set, val_set


def _fit(
    config: Config,
    folder: RunFolder,
    group: Group,
    report: Report,
    train_set: SampleDataset,
    val_set: SampleDataset,
    *,
    resume: bool,
) -> Summary:
    config, precision = setup.choose_precision(config, "train", group.device)
    config, _ = setup.choose_precision(config, "metrics", group.device)
    config = setup.choose_compile(config, len(train_set), group)
    for dataset in (train_set, val_set):
        dataset.keep_in_memory(free_memory())
    network = build_network(config, train_set.frame_shape, group.device)
    found = checkpoint.newest_training(folder.checkpoints, report.say) if resume else None
    if config.train.init_from and found is None:
        load_weights(network, Path(config.train.init_from))
    trainer = Trainer(
        config,
        network,
        train_set=train_set,
        val_set=val_set,
        group=group,
        folder=folder,
        report=report,
    )
    if found is not None:
        trainer.resume(found)
    card = read_card(Path(config.data.split).parent)
    data = DataDescription(shape=train_set.frame_shape, card=card)
    group.wait()  # every process has looked and agreed before one of them changes the folder
    if group.is_main and found is not None:
        folder.resume(to_toml(config), data.to_json())
    elif group.is_main:
        folder.begin(to_toml(config), data.to_json())
    _announce(trainer, precision, resume=resume, continues=found is not None)
    trainer.fit()
    best = min(trainer.progress.history, key=lambda row: row["val_loss"])
    return Summary(
        [
            f"trained {config.train.epochs} epochs; the best by validation is epoch "
            f"{best['epoch']}: loss {best['val_loss']:.5f}, mse {best['val_mse']:.4g}",
            f"wrote {folder.best_model} (the best model), {folder.metrics_file.name}, "
            f"{folder.checkpoints.name}",
        ],
        f"simvp test{name_option(config)}",
    )


def _announce(trainer: Trainer, precision: str, *, resume: bool, continues: bool) -> None:
    """What is about to be trained, on what, with what, and from where."""
    config, group, report = trainer.config, trainer.group, trainer.report
    processes = f", {group.world_size} processes" if group.world_size > 1 else ""
    origin = f" from {config.train.init_from}" if config.train.init_from else ""
    report.say(
        f"{config.model.model_type}{origin}, "
        f"{count_parameters(trainer.network) / 1e6:.2f} M parameters, on "
        f"{setup.device_name(group.device)}{processes}"
    )
    report.say(
        f"{len(trainer.train_set)} training and {len(trainer.val_set)} validation samples, "
        f"{trainer.steps_per_epoch} steps an epoch of {config.train.batch_size} samples"
    )
    if config.metrics.precision != config.train.precision:
        precision += f"; forecasts in {config.metrics.precision}"
    report.say(precision + (", compiled" if config.train.compile else ""))
    report.say(f"boundary {config.model.boundary}; augmented by {config.train.augment}")
    if continues:
        progress, epochs = trainer.progress, config.train.epochs
        complete = "; already complete" if progress.epoch >= epochs else ""
        report.say(
            f"resuming: {progress.epoch} of {epochs} epochs and {progress.batch} steps are done"
            + complete
        )
    elif resume:
        report.say(f"nothing to resume in {trainer.folder.path}: starting a new run")
