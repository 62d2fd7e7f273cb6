"""What a run writes about each epoch: metrics.csv and, if asked for, TensorBoard events."""

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import torch

from simvp.config.sections import RunSection
from simvp.engine.history import Progress
from simvp.errors import ConfigError
from simvp.runs import EVENTS_SUFFIX, RunFolder
from simvp.runtime.devices import peak_memory
from simvp.storage.files import convert_os_errors, publish_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Stopwatch:
    """Measures consecutive intervals of time."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self._started = self._started, time.monotonic()
        return self._started - before


def training_cost(
    train_seconds: float, val_seconds: float, num_windows: int, device: torch.device
) -> dict[str, float]:
    """The columns of metrics.csv that differ between two runs with the same results.

    Args:
        train_seconds: NaN if unknown, because an earlier version began the epoch.
        num_windows: training windows of all processes.
    Returns: `seconds`; `samples_per_second`; `peak_memory` of this process, in MB. What is not
        known is left out.
    """
    columns = {
        "seconds": train_seconds + val_seconds,
        "samples_per_second": num_windows / train_seconds,
        "peak_memory": peak_memory(device) / 1e6,
    }
    return {name: value for name, value in columns.items() if not math.isnan(value)}


def check_tensorboard(settings: RunSection) -> None:
    """Raises ConfigError if TensorBoard events are asked for and its package is missing."""
    if settings.tensorboard:
        _writer_type()


def _writer_type() -> type["SummaryWriter"]:
    try:
        from torch.utils.tensorboard import SummaryWriter  # importing it is slow
    except ImportError:
        raise ConfigError(
            "run.tensorboard = true: requires the package tensorboard; install it with `pip "
            "install 'simvp[tensorboard]'`, or leave the setting out"
        ) from None
    return SummaryWriter


class EpochLog:
    """Writes into a run's folder, in the main process only. A context, which closes its files."""

    def __init__(self, folder: RunFolder, settings: RunSection, *, is_main: bool) -> None:
        self._folder = folder
        self._is_main = is_main
        self._has_events = settings.tensorboard
        self._writer: SummaryWriter | None = None

    def publish(self, progress: Progress) -> None:
        """Write the results of the epoch that has just ended. Raises OutputError."""
        if self._is_main:
            publish_text(self._folder.metrics_file, progress.history_csv())
            if self._has_events:
                with convert_os_errors(self._folder.events):
                    self._write_events(progress.history[-1])

    def _write_events(self, row: dict[str, float]) -> None:
        epoch = int(row["epoch"])
        if self._writer is None:
            # A killed run may have written epochs after its last checkpoint: they are purged.
            self._writer = _writer_type()(
                str(self._folder.events), purge_step=epoch, filename_suffix=EVENTS_SUFFIX
            )
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
