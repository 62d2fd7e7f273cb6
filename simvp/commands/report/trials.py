"""The trials of recipes that a report shows: `simvp train --recipe auto`."""

from typing import Any

from simvp.commands.report.reported_run import ReportedRun
from simvp.commands.trials import Record, read_trials
from simvp.engine.recipes import describe_pass
from simvp.figures.report.contents import Trials
from simvp.progress import Table, plural

_HEADER = [
    *("trial", "length", "share of the budget", "validation loss", "persistence", "result"),
    "recipe",
]


def trials(run: ReportedRun) -> Trials | None:
    """The trials of a run; None if it had none. Raises RunError if their record is damaged."""
    record = read_trials(run.folder)
    if record is None:
        return None
    choice = record["choice"]
    chosen = choice["trial"] if choice else None
    rows = [_row(name, trial, record, chosen) for name, trial in record["trials"].items()]
    if not choice:
        return Trials(Table(_HEADER, rows), "No recipe has been chosen yet.")
    share = _share(choice["activations"], record)
    return Trials(
        Table(_HEADER, rows),
        f"Chosen: {chosen}, for {choice['reason']}. The run started anew with this recipe: "
        f"{_length(choice['settings'])}, {share} of the budget. The budget is that of the direct "
        "recipe with the configured epochs, in activations. Each trial is one short "
        "training with one seed, so a small difference between two losses says little.",
    )


def _row(name: str, trial: dict[str, Any], record: Record, chosen: str | None) -> list[str]:
    return [
        name,
        _length(trial["settings"]),
        _share(trial["activations"], record),
        _loss(trial["validation_loss"]),
        _loss(trial["persistence_loss"]),
        "chosen" if name == chosen else "",
        _recipe(trial["settings"]),
    ]


def _recipe(settings: dict[str, Any]) -> str:
    decided = (settings[f"model.{key}"] for key in ("block_frames", "history", "target"))
    return f"{settings['train.recipe']}: {describe_pass(*decided)}"


def _length(settings: dict[str, Any]) -> str:
    epochs, windows = settings["train.epochs"], settings["train.windows_per_epoch"]
    return f"{plural(epochs, 'epoch')} of {plural(windows, 'window')}"


def _share(activations: float, record: Record) -> str:
    return f"{100 * activations / record['activations']:.1f} %"


def _loss(value: float | None) -> str:
    return "not trained" if value is None else f"{value:#.4g}"
