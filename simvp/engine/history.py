"""The epochs of a training: their results, which weights are kept, and what is said about them."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Annotated

from pydantic import Field

from simvp.config.training import TrainSection

_KEPT = "kept"  # column of metrics.csv


@dataclass
class Progress:
    """Progress of the training, identical in all processes."""

    epoch: Annotated[int, Field(ge=0)] = 0  # epochs completed
    # Batches of the current epoch that each process has completed.
    batch: Annotated[int, Field(ge=0)] = 0
    best_loss: float = math.inf  # the lowest validation loss so far
    # That of each validation window; none if an earlier version wrote the checkpoint.
    best_losses: list[float] = field(default_factory=list)
    persistence_loss: float | None = None  # validation loss of persistence, once it is known
    # Digest of the weights that are kept, which the main process computes; empty if an earlier
    # version wrote the checkpoint.
    kept_sha256: str = ""
    # One row per epoch, as in metrics.csv. Only time and memory differ between processes.
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def is_worse_than_persistence(self) -> bool:
        """Whether no epoch so far has a lower validation loss than persistence."""
        return self.persistence_loss is not None and self.best_loss >= self.persistence_loss

    def complete_epoch(self, row: dict[str, float], losses: Sequence[float]) -> bool:
        """Append an epoch, and return whether its weights are kept as those of the run.

        They are kept if the validation loss is the lowest so far, or exceeds the lowest by no more
        than the standard error of the difference (the one-standard-error rule of Breiman et al.
        1984, section 3.4.3). With few windows it is often chance which epoch has the lowest loss,
        and later weights, trained with a lower learning rate, are usually better.

        Args:
            losses: of each validation window; empty if the epoch was not validated.
        """
        self.history.append(row)
        self.epoch, self.batch = self.epoch + 1, 0
        if not losses:
            return False
        is_best = row["val_loss"] < self.best_loss
        is_kept = is_best or _is_as_good(losses, self.best_losses)
        if is_best:
            self.best_loss, self.best_losses = row["val_loss"], [*losses]
        row[_KEPT] = int(is_kept)
        return is_kept

    def history_csv(self) -> str:
        """The history as CSV with a header. Cells of columns that a row does not have are empty."""
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        return text.getvalue()


def _is_as_good(losses: Sequence[float], lowest: Sequence[float]) -> bool:
    """Whether the mean of `losses` exceeds that of `lowest` by at most the standard error."""
    if len(losses) != len(lowest) or len(losses) < 2:
        return False
    differences = [loss - best for loss, best in zip(losses, lowest, strict=True)]
    return fmean(differences) <= stdev(differences) / math.sqrt(len(differences))


def best_epoch(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The epoch with the lowest validation loss, the first of equals."""
    validated = [row for row in history if math.isfinite(row.get("val_loss", math.nan))]
    return min(validated, key=lambda row: row["val_loss"])


def kept_epoch(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The epoch whose weights are those of the run; earlier versions kept those of the best one."""
    kept = [row for row in history if row.get(_KEPT) == 1]
    return kept[-1] if kept else best_epoch(history)


def describe_kept(history: Sequence[Mapping[str, float]]) -> str:
    """Which epoch is kept, and why."""
    kept, best = kept_epoch(history), best_epoch(history)
    scores = f"loss {kept['val_loss']:.4g}, mse {kept['val_mse']:.4g}"
    if kept is best:
        return f"the best by validation is epoch {best['epoch']:.0f}: {scores}"
    return (
        f"kept epoch {kept['epoch']:.0f}: {scores}; epoch {best['epoch']:.0f} has a lower loss, "
        f"{best['val_loss']:.4g}, but only within the standard error of the difference"
    )


def describe_step(
    progress: Progress, epochs: int, loss: float, lr: float, samples_per_second: float
) -> str:
    """What the progress bar shows of a step: a line of about 80 characters at most."""
    best = f"best val loss {progress.best_loss:.3g}  " if progress.history else ""
    speed = f"{samples_per_second:{'.0f' if samples_per_second >= 1000 else '.3g'}}"
    epoch = f"epoch {progress.epoch + 1}/{epochs}"
    return f"{epoch}  loss {loss:.3g}  {best}lr {lr:.2g}  {speed} samples/s"


def describe_epoch(progress: Progress, epochs: int) -> str:
    """One line of at most 80 characters with the results of the last epoch."""
    row = progress.history[-1]
    line = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  loss {row['train_loss']:<9.4g}"
    if "val_loss" in row:
        line += (
            f"  val loss {row['val_loss']:<9.4g}  mse {row['val_mse']:<6.4g}  "
            f"ssim {row['val_ssim']:.4f}  {_mark(progress.history)}"
        )
    return line.rstrip()


def _mark(history: Sequence[Mapping[str, float]]) -> str:
    """What the last epoch is, compared with those before."""
    if history[-1] is best_epoch(history):
        return "best"
    return "kept" if history[-1] is kept_epoch(history) else ""


def describe_persistence(
    progress: Progress, row: dict[str, float], settings: TrainSection
) -> list[str]:
    """What to say about persistence after an epoch: its score at first; a warning halfway."""
    lines = []
    if row["epoch"] == 1 and progress.persistence_loss is not None:
        loss = progress.persistence_loss
        cells = row["val_mse"] / row["val_loss"] if row["val_loss"] else math.nan
        lines.append(
            f"persistence (the last input frame repeated): val loss {loss:.4g}, mse "
            f"{loss * cells:.4g}"
        )
    if row["epoch"] == settings.epochs // 2 and progress.is_worse_than_persistence:
        lines.append(f"warning: {persistence_warning(progress, settings)}")
    return lines


def persistence_warning(progress: Progress, settings: TrainSection) -> str:
    """That no epoch is better than persistence, and what to try."""
    steps = "" if settings.recipe == "stepwise" else "--recipe stepwise, "
    return (
        f"no epoch is better than persistence: the best val loss is {progress.best_loss:.4g}, that "
        f"of repeating the last input frame {progress.persistence_loss:.4g}; try {steps}more "
        f"training (--epochs {2 * settings.epochs}), or a lower --lr"
    )
