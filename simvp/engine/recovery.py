"""The results of a run that is resumed, where they are not those of its checkpoint."""

from pathlib import Path
from typing import Any

from simvp.engine.history import Progress, kept_epoch
from simvp.errors import RunError
from simvp.progress import Report
from simvp.runs import RunFolder
from simvp.storage import checkpoint
from simvp.storage.checkpoint import DamagedFile
from simvp.storage.files import publish_text

_LATER = "has other weights than at the checkpoint, probably of a later epoch"


def restore_results(folder: RunFolder, progress: Progress, report: Report) -> None:
    """Write metrics.csv and the model as they were at the checkpoint.

    A killed process may have written epochs after it, which are going to be trained again.

    Args:
        progress: of the checkpoint from which the run is resumed.
    Raises: RunError if the model is missing or damaged and no checkpoint has its weights, or if
        it may not be read.
    """
    if not progress.history:
        return
    _restore_model(folder, progress, report)
    if folder.epochs_done() != progress.epoch:
        publish_text(folder.metrics_file, progress.history_csv())


def _restore_model(folder: RunFolder, progress: Progress, report: Report) -> None:
    model, epoch = folder.model_file, kept_epoch(progress.history)["epoch"]
    problem = _problem(model, progress)
    if not problem:
        return
    for path in sorted(folder.checkpoints.glob("*.pth")):
        content = _load(path)
        if content is not None and _is_after(content, epoch):
            checkpoint.save(model, content["model"])
            report.say(f"{model}: {problem}; restored from {path}")
            return
    if problem == _LATER:
        report.say(f"{model}: {problem}; it is replaced by the next epoch that is kept")
        return
    raise RunError(
        f"{model}: {problem}, and there is no checkpoint of epoch {epoch:.0f}, whose weights it "
        f"held; restore it from a backup, or start another run with --init-from {folder.latest}"
    )


def _problem(model: Path, progress: Progress) -> str:
    """Why a model is not the one that was kept; empty if it is, or if this is not known."""
    weights = _load(model) if model.exists() else None
    if weights is None:
        return "is damaged" if model.exists() else "is missing"
    is_kept = progress.kept_sha256 in ("", checkpoint.digest(weights))
    return "" if is_kept else _LATER


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
