"""One training: its data, its resolved settings, and the fit, in this process or in a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simvp.config import Config, name_option, to_toml
from simvp.data import augmentation
from simvp.data.batches import WindowDataset
from simvp.data.card import card_path, check_square
from simvp.data.preparation import prepare
from simvp.data.split import Split, describe_choice, find_split, read_split
from simvp.engine import Trainer, build_network, count_parameters
from simvp.engine.automatic import resolve_auto
from simvp.engine.history import Progress, describe_kept, persistence_warning
from simvp.engine.increments import increment_scale
from simvp.engine.recipes import describe_recipe, training_window
from simvp.engine.recovery import restore_results
from simvp.engine.versions import record_versions
from simvp.engine.weights import StoredWeights, load_weights
from simvp.errors import ConfigError, DataError
from simvp.models.simvp import Network
from simvp.physics import parse_boundary, parse_symmetries
from simvp.progress import Report, Summary, plural
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.devices import describe_device, describe_precision
from simvp.runtime.group import Group
from simvp.storage import checkpoint


@dataclass(frozen=True)
class Data:
    """What a run is trained and validated on.

    Attributes:
        lines: which data and split file these are.
    """

    split: Split
    lines: list[str]
    train_set: WindowDataset
    val_set: WindowDataset


def open_data(config: Config) -> Data:
    """The windows of the split that the config names; the recipe has to be resolved.

    Raises: UserError if the split cannot be used, or its samples are too short.
    """
    split = read_split(find_split(config.data.split, config.data.path))
    split.check_scaling()
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    datasets = []
    for part, window, stride in (
        ("train", training_window(config), config.data.stride),
        ("validation", pre + aft, aft),
    ):
        _check_length(split, part, window)
        datasets.append(
            WindowDataset(
                split.segments(part),
                window=window,
                stride=stride,
                scaling=split.data.network_scaling,
                may_miss=split.data.has_missing,
            )
        )
    lines = describe_choice(split, config.data.split, config.data.path)
    return Data(split, lines, *datasets)


def _check_length(split: Split, part: str, window: int) -> None:
    """Raises DataError if no sample of the part has enough frames for a window."""
    found = max(len(segment.frames) for segment in split.segments(part))
    if found < window:
        half = found // 2
        shorter = f"use --pre-seq-length {half} --aft-seq-length {half}, or " if half else ""
        raise DataError(
            f"{split.path}: samples of the {part} part have at most {found} frames in a row, but "
            f"{window} are needed for input and forecast; {shorter}make a split of longer samples"
        )


def visits(config: Config, train_set: WindowDataset) -> int:
    """Number of training windows that an epoch visits."""
    return min(config.train.windows_per_epoch or len(train_set), len(train_set))


def resolve(config: Config, data: Data, weights: StoredWeights | None) -> Config:
    """The config without "auto". Raises ConfigError if a setting does not fit the data."""
    is_given = config.train.augment != "auto"
    symmetries_in = "train.augment" if is_given else str(card_path(data.split.source))
    config = resolve_auto(
        config,
        data.split,
        num_windows=visits(config, data.train_set),
        num_val_windows=len(data.val_set),
        device=launcher.device(config),
        world_size=launcher.num_processes(config),
        weights=weights,
    )
    check_square(parse_symmetries(config.train.augment), data.split.data.shape, symmetries_in)
    return config


def check_batch_size(config: Config, num_windows: int) -> None:
    """Raises ConfigError if a process's batch is larger than its share of the windows."""
    processes = launcher.num_processes(config)
    share = -(-num_windows // processes)
    if config.train.samples_per_step > share:
        raise ConfigError(
            f"train.batch_size = {config.train.samples_per_step}: there are {num_windows} training "
            f"windows for {processes} process{'es' if processes > 1 else ''}; use --batch-size "
            f"{share} or less, or add samples"
        )


def read_frames(config: Config, data: Data, group: Group, report: Report) -> None:
    """Read the frames into memory or the cache, and check them. All processes call this.

    Raises: DataError if frames are damaged or have changed, before an earlier run is replaced.
    """
    stores = (data.train_set.store, data.val_set.store)
    prepare(stores, data.split, config.data.cache, group, report)


def fit(
    config: Config,
    folder: RunFolder,
    group: Group,
    report: Report,
    data: Data,
    *,
    resume: bool,
    details: Report | None = None,
    has_begun: bool = False,
    describe: bool = True,
) -> Progress:
    """Train in a folder until the last epoch. All processes call this.

    Args:
        data: whose frames have been read.
        details: for what is trained, and each epoch; by default the same as `report`.
        has_begun: whether the folder has been begun by this run; otherwise a run that is not
            resumed deletes the files of an earlier one.
        describe: whether to say what is trained, on what and with what.
    Raises: UserError before anything is written, RunFailed or Interrupted later.
    """
    details, description = details or report, data.split.data
    network = build(config, data, group)
    found = checkpoint.newest_training(folder.checkpoints, report.say) if resume else None
    if resume and found is None:
        folder.check_resumable()
    if config.train.init_from and found is None:
        load_weights(network, Path(config.train.init_from))
    trainer = Trainer(
        config,
        network,
        train_set=data.train_set,
        val_set=data.val_set,
        group=group,
        folder=folder,
        report=details,
        vectors=augmentation.vectors(description),
    )
    if found is not None:
        trainer.resume(found)
        if config.train.epochs < trainer.progress.epoch:
            raise ConfigError(
                f"train.epochs = {config.train.epochs}: {trainer.progress.epoch} epochs are done "
                "already; use --epochs with this number or more"
            )
    group.wait()  # every process has read the checkpoint before one of them changes the folder
    if group.is_main:
        if found is not None:
            restore_results(folder, trainer.progress, report)
        begin = folder.resume if has_begun or found is not None else folder.begin
        begin(to_toml(config), description.to_json())
        record_versions(folder, trainer.progress.epoch)
    if describe:
        _describe(trainer, data)
    _announce_start(trainer, resume=resume and not has_begun, continues=found is not None)
    trainer.fit()
    return trainer.progress


def build(config: Config, data: Data, group: Group) -> Network:
    """The network for the data, with random weights. Raises ConfigError."""
    description, scale = data.split.data, None
    if config.model.target == "increments":
        scale = increment_scale(data.train_set, len(description.forecast_channels))
    return build_network(config, description, group.device, increment_scale=scale)


def summary(config: Config, folder: RunFolder, trained: Sequence[Progress]) -> Summary:
    """What a training that is complete has achieved and written.

    Args:
        trained: of each member, usually one.
    """
    epochs = plural(config.train.epochs, "epoch")
    lines = [f"trained {epochs}; {describe_kept(trained[0].history)}"]
    if len(trained) > 1:
        lines = [f"trained {len(trained)} members for {epochs} each"]
        lines += [
            f"member {number}: {describe_kept(progress.history)}"
            for number, progress in enumerate(trained, 1)
        ]
    worse = [progress for progress in trained if progress.is_worse_than_persistence]
    if worse:
        lines.append(f"warning: {persistence_warning(worse[0], config.train)}")
    lines.append(
        f"wrote {folder.model_file} (the model), {folder.metrics_file.name}, "
        f"{folder.checkpoints.name}"
    )
    if len(trained) > 1:
        lines.append(f"wrote {folder.members}: the same files for each of the other members")
    return Summary(lines, f"simvp test{name_option(config.run.folder)}")


def _describe(trainer: Trainer, data: Data) -> None:
    """Say what is going to be trained, on what and with what."""
    config, group, report = trainer.config, trainer.group, trainer.report
    for line in data.lines:
        report.say(line)
    processes = f", {group.world_size} processes" if group.world_size > 1 else ""
    origin = f" from {config.train.init_from}" if config.train.init_from else ""
    report.say(
        f"{config.model.model_type}{origin}, "
        f"{count_parameters(trainer.network) / 1e6:.2f} M parameters, on "
        f"{describe_device(group.device)}{processes}"
    )
    report.say(
        f"{len(trainer.train_set)} training and "
        f"{plural(len(trainer.val_set), 'validation window')}, "
        f"{plural(trainer.steps_per_epoch, 'step')} of "
        f"{plural(config.train.samples_per_step, 'window')} per epoch"
    )
    report.say(describe_recipe(config))
    for part, dataset in (("training", trainer.train_set), ("validation", trainer.val_set)):
        if dataset.num_unused:
            report.say(f"unused, in no window: {plural(dataset.num_unused, f'{part} frame')}")
    precision = describe_precision(group.device, config.train.precision)
    if config.metrics.precision != config.train.precision:
        precision += f"; forecasts in {config.metrics.precision}"
    report.say(precision + (", compiled" if config.train.compile else ""))
    y, x = parse_boundary(config.model.boundary)
    boundary = y if y == x else f"{y} along y and {x} along x"
    augmentation = config.train.augment
    how = "no augmentation" if augmentation == "none" else f"augmented by {augmentation}"
    report.say(f"boundary: {boundary}; {how}")


def _announce_start(trainer: Trainer, *, resume: bool, continues: bool) -> None:
    """Say from where a training is resumed."""
    report = trainer.report
    if continues:
        progress, epochs = trainer.progress, trainer.config.train.epochs
        steps = f" and {plural(progress.batch, 'step')}" if progress.batch else ""
        complete = "; already complete" if progress.epoch >= epochs else ""
        report.say(f"resuming: {progress.epoch} of {epochs} epochs{steps} are done{complete}")
    elif resume:
        report.say(f"nothing to resume in {trainer.folder.path}: starting a new run")
