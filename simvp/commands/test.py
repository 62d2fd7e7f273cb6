"""`simvp test`: score the model of a run on a part of a split, and save every forecast."""

from dataclasses import dataclass
from pathlib import Path

from simvp.commands.scoring import Task, make_task, score
from simvp.commands.trained_run import (
    check_lengths,
    data_settings,
    find_weights,
    incomplete,
    is_own,
)
from simvp.config import Config
from simvp.data.description import DataDescription, read_description
from simvp.data.matching import differences
from simvp.data.split import Split, describe_choice, find_split, read_split
from simvp.engine.automatic import resolve_auto
from simvp.engine.weights import read_weights
from simvp.errors import RunError
from simvp.progress import Report, Summary
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.storage.files import file_digest


@dataclass(frozen=True)
class Request:
    """What to score.

    Attributes:
        weights: file of weights; empty for the run's model. With it no run is needed: the
            config describes the network, and the run's folder is created.
        part: of the split: "train", "validation" or "test".
        steps: number of steps to forecast; 0 for as many as the run was trained for.
    """

    weights: str = ""
    part: str = "test"
    steps: int = 0

    def arguments(self) -> list[str]:
        """The same request as arguments of the command line."""
        steps = ["--steps", str(self.steps)] * bool(self.steps)
        return ["--weights", self.weights, "--part", self.part, *steps]


def run(config: Config, request: Request, report: Report) -> Summary:
    """Score the model of a run, or the weights in a file. Raises UserError."""
    folder = RunFolder(config.run.folder)
    if not request.weights:
        folder.check_exists()
    check_lengths(config, folder)
    files = find_weights(config, folder, request.weights)
    split = read_split(find_split(config.data.split, config.data.path))
    choice = describe_choice(split, config.data.split, config.data.path)
    data = _description(folder, split)
    label = _label(config, folder, files[0]) if request.weights else ""
    task = make_task(config, folder, split, data, request.part, request.steps, label)
    if launcher.is_needed(config):
        launcher.run(["test", *request.arguments()], config)
        return Summary()
    with launcher.join(config) as group, folder.lock(is_main=group.is_main):
        weights = [read_weights(file) for file in files]
        config = resolve_auto(
            config,
            split,
            num_windows=len(task.dataset),
            num_val_windows=len(task.dataset),
            device=group.device,
            world_size=group.world_size,
            weights=weights[0],
        )
        if group.is_main:
            for line in (*choice, *incomplete(config, folder, files)):
                report.say(line)
            _warn_of_changed_card(folder, task, report)
            _warn_of_training_data(folder, task, report)
        return score(config, folder, weights, group, task, report)


def _label(config: Config, folder: RunFolder, weights: Path) -> str:
    """What to call a test of weights that are not the run's; empty for its own, or if it has none.

    The forecasts of the run are then kept.
    """
    model = folder.model_file
    if not model.exists() or not weights.is_file():  # a folder is refused when it is read
        return ""
    if config.train.members == 1 and weights.samefile(model):
        return ""
    return f"{weights.stem}-{file_digest(weights)[:8]}"


def _warn_of_changed_card(folder: RunFolder, task: Task, report: Report) -> None:
    """Warn if units or ranges have changed since the run was trained; the events may change."""
    current, trained = task.split.data, task.data
    for warning in differences(task.split.source, current.card, current.shape, trained):
        report.say(warning)
    other_time = {"time_step": ""}  # the differences name it
    cards = [data.card.for_forecasts().model_copy(update=other_time) for data in (current, trained)]
    if cards[0] != cards[1] or current.scaling != trained.scaling:
        report.say(
            "warning: the data card or scaling differs from the one that the run was trained "
            f"with; units and ranges are taken from {folder.data_file}"
        )


def _warn_of_training_data(folder: RunFolder, task: Task, report: Report) -> None:
    """Warn if another split than the run's own scores samples that the run was trained on."""
    if is_own(folder, task.split):
        return
    trained_on = Path(data_settings(folder)["split"])
    if not trained_on.exists():
        return
    seen = {
        digits
        for segment in read_split(trained_on).segments("train")
        for digits in segment.checksums
    }
    known = [
        s.series.id
        for s in task.split.segments(task.part)
        if s.checksums and seen.issuperset(s.checksums)
    ]
    if known:
        report.say(
            f"warning: the run was trained on {len(known)} of the {task.part} samples, so "
            f"the scores are too good: {', '.join(known[:3])}{', ...' if len(known) > 3 else ''}"
        )


def _description(folder: RunFolder, split: Split) -> DataDescription:
    """What the run was trained on: editing the data card afterwards changes no unit.

    Raises: RunError if the split is of other data.
    """
    current = split.data
    if not folder.data_file.exists():  # no run yet, or one of version 1
        return current
    trained = read_description(folder.data_file)
    for name in ("channels", "inputs", "shape", "stored"):
        found, expected = getattr(current, name), getattr(trained, name)
        if found != expected:
            raise RunError(
                f"{split.path}: {name} of the data: {found}, but the run was trained on "
                f"{expected}; choose another split with --data"
            )
    return trained
