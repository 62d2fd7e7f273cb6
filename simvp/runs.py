"""A run's folder: where everything is, and whether a new run may begin there."""

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from simvp.errors import RunError, did_you_mean
from simvp.storage import locks
from simvp.storage.files import publish_text, remove_stale, writing

FRAME_KINDS = ("inputs", "trues", "preds")


@dataclass(frozen=True)
class RunFolder:
    """work_dirs/<name>, as design and README describe it."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def data_file(self) -> Path:
        return self.path / "data.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def latest(self) -> Path:
        return self.checkpoints / "latest.pth"

    @property
    def best_model(self) -> Path:
        return self.path / "simvp_model.pth"

    @property
    def saved(self) -> Path:
        return self.path / "saved"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @contextmanager
    def sole_writer(self, is_main: bool) -> Iterator[None]:
        """Hold the folder's lock, in the main process, while the block runs. Raises RunError."""
        with locks.sole_writer(self.path) if is_main else nullcontext():
            yield

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return self.config_file.exists() or self.latest.exists() or self.best_model.exists()

    def check_free(self) -> None:
        """Raises RunError if a run is here already."""
        if self.exists():
            raise RunError(
                f"{self.path}: holds a run already; continue it with --resume, start another "
                "with --name NAME, or delete its results and begin again with --overwrite"
            )

    def check_exists(self) -> None:
        """Raises RunError, naming the runs that there are, if no run has begun here."""
        if not self.exists():
            names = [path.name for path in self.path.parent.glob("*") if path.is_dir()]
            raise RunError(
                f"{self.path}: there is no run of this name.{did_you_mean(self.path.name, names)} "
                "Train one with `simvp train`, or choose another with --name"
            )

    def begin(self, config_toml: str, data_json: str) -> None:
        """Empty the folder of an earlier run's files, and save what describes the new one.

        Raises: OutputError if the folder cannot be written.
        """
        with writing(self.path):
            for folder in (self.checkpoints, self.saved, self.pictures):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.metrics_file, self.best_model, self.data_file):
                file.unlink(missing_ok=True)
        self.resume(config_toml, data_json)

    def resume(self, config_toml: str, data_json: str) -> None:
        """Remove what a killed process left, and save the config. Raises OutputError.

        A description of the data that is there already is kept: the run began with it.
        """
        with writing(self.path):
            for folder in (self.path, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
                remove_stale(folder)
        publish_text(self.config_file, config_toml)
        if not self.data_file.exists():
            publish_text(self.data_file, data_json)

    def saved_samples(self) -> list[str]:
        """The ids of the samples that `test` saved. Raises RunError if there are none."""
        folder = self.saved / FRAME_KINDS[0]
        names = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
        if not names:
            raise RunError(
                f"{self.path}: holds no forecasts; make them with "
                f"`simvp test --name {self.path.name}`"
            )
        return names

    def find_sample(self, part: str) -> str:
        """The one saved sample whose id is or contains `part`. Raises RunError otherwise."""
        names = self.saved_samples()
        found = [name for name in names if name == part] or matching(part, names)
        if len(found) == 1:
            return found[0]
        if not found:
            raise RunError(
                f"{self.saved}: no saved sample has {part!r} in its id."
                f"{_near_samples(part, names)} `simvp viz` without an id lists all {len(names)}"
            )
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise RunError(
            f"{self.saved}: {len(found)} samples have {part!r} in their id: {shown}; "
            "give more of it"
        )


def matching(part: str, names: Iterable[str]) -> list[str]:
    """The names that begin with `part`, or contain it without cutting a number in two.

    So `boiling_2` finds `07cf_boiling_2` and not `07cf_boiling_21`, and `07` finds both.
    """
    number_begins = r"(?<!\d)" if part[:1].isdigit() else ""
    number_ends = r"(?!\d)" if part[-1:].isdigit() else ""
    pattern = re.compile(number_begins + re.escape(part) + number_ends)
    return [name for name in names if part and (name.startswith(part) or pattern.search(name))]


def _near_samples(part: str, names: list[str]) -> str:
    tails = {name.partition("_")[2] or name: name for name in names}
    return did_you_mean(part, [*tails, *names])
