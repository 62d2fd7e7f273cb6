"""What a report needs of a run: its settings, scores, history and saved forecasts."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simvp.config import Config, resolve, run_layers
from simvp.data.description import DataDescription
from simvp.data.series import Coordinates
from simvp.data.split import Split, read_split
from simvp.engine.recipes import resolve_recipe
from simvp.engine.saved_forecasts import SavedForecasts, read_description_of, read_metrics
from simvp.errors import RunError, UserError
from simvp.runs import RunFolder

History = list[dict[str, float]]


@dataclass(frozen=True)
class ReportedRun:
    """A run that has been tested.

    Attributes:
        metrics: the content of metrics.json.
        history: a row for each epoch; empty if the run was not trained here.
    """

    name: str
    folder: RunFolder
    config: Config
    data: DataDescription
    saved: SavedForecasts
    metrics: dict[str, Any]
    history: History

    @property
    def split_name(self) -> str:
        """The name of the split file, which is the hash of its content."""
        return Path(self.metrics.get("split") or self.config.data.split).name

    @property
    def baselines(self) -> dict[str, dict[str, Any]]:
        """The scores of each baseline in metrics.json."""
        return {
            name: value
            for name, value in self.metrics.items()
            if isinstance(value, dict) and "per_step" in value
        }


@dataclass(frozen=True)
class SplitOfRun:
    """The data that a run was trained on, as far as they are still there.

    Attributes:
        split: None if the data cannot be opened.
        problems: why not.
    """

    split: Split | None = None
    problems: Sequence[str] = field(default=())

    @property
    def coordinates(self) -> Coordinates:
        return Coordinates() if self.split is None else self.split.coordinates


def open_run(work_dir: str, name: str) -> ReportedRun:
    """Read a run. Raises RunError if it does not exist, or has not been tested."""
    folder = RunFolder(Path(work_dir) / name)
    folder.check_exists()
    folder.saved_samples()  # raises RunError if there are none
    config, data = resolve(run_layers(folder.config_file)), read_description_of(folder)
    if config.model.standardize == "auto":
        config = _of_version_1(config)
    saved, history = SavedForecasts(folder, data), read_history(folder)
    return ReportedRun(name, folder, config, data, saved, read_metrics(folder), history)


def _of_version_1(config: Config) -> Config:
    """The config of a run of version 1 with the settings that it did not have yet."""
    config = resolve_recipe(config, None)
    model = config.model.model_copy(update={"standardize": False})
    return config.model_copy(update={"model": model})


def read_split_of(run: ReportedRun) -> SplitOfRun:
    """The split of a run's scores, for dates, coordinates and a summary of the data."""
    path = run.metrics.get("split") or run.config.data.split
    try:
        return SplitOfRun(read_split(path))
    except UserError as error:
        message = str(error).splitlines()[0]
        return SplitOfRun(None, [f"without dates, coordinates and statistics: {message}"])


def read_history(folder: RunFolder) -> History:
    """The rows of metrics.csv; none if it is missing. Raises RunError if it is damaged."""
    path = folder.metrics_file
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if not {"epoch", "val_loss", "val_mse"} <= {*(rows.fieldnames or ())}:
                raise ValueError("there is no column of epochs or of validation scores")
            found = [{key: float(value or "nan") for key, value in row.items()} for row in rows]
        if found and not any(math.isfinite(row["val_loss"]) for row in found):
            raise ValueError("no epoch has a validation loss, but the first one always has")
        return found
    except PermissionError:
        raise  # no damage
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{path}: is damaged ({type(error).__name__}); restore it from a copy, or remove it"
        ) from None
