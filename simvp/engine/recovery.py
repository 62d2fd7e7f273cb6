"""The model of a run that is resumed, if its file is missing or damaged."""

from pathlib import Path
from typing import Any

from simvp.engine.history import Progress, kept_epoch
from simvp.errors import RunError
from simvp.progress import Report
from simvp.runs import RunFolder
from simvp.storage import checkpoint
from simvp.storage.checkpoint import DamagedFile


def restore_model(folder: RunFolder, progress: Progress, report: Report) -> None:
    """Write a missing or damaged model again, from the checkpoint after the epoch that is kept.

    Args:
        progress: of the checkpoint from which the run is resumed.
    Raises: RunError if there is no such checkpoint, or the model may not be read.
    """
    model = folder.model_file
    if not progress.history or (model.is_file() and _load(model) is not None):
        return
    problem, kept = "damaged" if model.exists() else "missing", kept_epoch(progress.history)
    for path in sorted(folder.checkpoints.glob("*.pth")):
        content = _load(path)
        if content is not None and _is_after(content, kept["epoch"]):
            checkpoint.save(model, content["model"])
            report.say(f"{model}: was {problem}; restored from {path}")
            return
    raise RunError(
        f"{model}: is {problem}, and no checkpoint is of epoch {kept['epoch']:.0f}, from which it "
        f"was; restore it from a backup, or start another run with --init-from {folder.latest}"
    )


def _load(path: Path) -> dict[str, Any] | None:
    """The content of a file of weights, or a checkpoint; None if it is damaged."""
    try:
        return checkpoint.load(path)
    except DamagedFile:
        return None


def _is_after(content: dict[str, Any], epoch: float) -> bool:
    """Whether a checkpoint was written at the end of an epoch."""
    progress = content.get("progress")
    if not checkpoint.is_training_state(content) or not isinstance(progress, dict):
        return False
    return (progress.get("epoch"), progress.get("batch")) == (epoch, 0)
