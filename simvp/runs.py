"""The folder of a run: paths of its files, creation and lookup of saved samples."""

import re
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from simvp.errors import RunError, did_you_mean
from simvp.storage.files import convert_os_errors, lock_folder, publish_text, remove_stale

FRAME_KINDS = ("inputs", "trues", "preds")


class RunFolder:
    """Paths in `work_dirs/<name>`; README describes the files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.toml"
        self.data_file = path / "data.json"
        self.metrics_file = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.latest = self.checkpoints / "latest.pth"
        self.best_model = path / "simvp_model.pth"
        self.saved = path / "saved"
        self.pictures = path / "pictures"

    def lock(self, *, is_main: bool) -> AbstractContextManager[None]:
        """Lock the folder in the main process while the block runs. Raises RunError."""
        return lock_folder(self.path) if is_main else nullcontext()

    def exists(self) -> bool:
        """Whether the folder contains a run."""
        return self.config_file.exists() or self.latest.exists() or self.best_model.exists()

    def check_free(self) -> None:
        """Raises RunError if the folder contains a run."""
        if self.exists():
            raise RunError(
                f"{self.path}: already contains a run; resume it with --resume, choose another "
                "name with --name NAME, or replace it with --overwrite"
            )

    def check_exists(self) -> None:
        """Raises RunError, which suggests similar names, if the folder contains no run."""
        if not self.exists():
            names = [path.name for path in self.path.parent.glob("*") if path.is_dir()]
            raise RunError(
                f"{self.path}: run not found.{did_you_mean(self.path.name, names)} "
                "Start it with `simvp train`, or choose another run with --name"
            )

    def begin(self, config_toml: str, data_json: str) -> None:
        """Delete the files of an earlier run and save the config and data description.

        Raises: OutputError if the folder cannot be written.
        """
        with convert_os_errors(self.path):
            for folder in (self.checkpoints, self.saved, self.pictures):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.metrics_file, self.best_model, self.data_file):
                file.unlink(missing_ok=True)
        self.resume(config_toml, data_json)

    def resume(self, config_toml: str, data_json: str) -> None:
        """Remove temporary files of a killed process and save the config. Raises OutputError.

        An existing data description is not replaced, because the run was started with it.
        """
        with convert_os_errors(self.path):
            for folder in (self.path, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
                remove_stale(folder)
        publish_text(self.config_file, config_toml)
        if not self.data_file.exists():
            publish_text(self.data_file, data_json)

    def saved_samples(self) -> list[str]:
        """Ids of the samples saved by `simvp test`. Raises RunError if there are none."""
        folder = self.saved / FRAME_KINDS[0]
        names = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
        if not names:
            raise RunError(
                f"{self.path}: contains no forecasts; create them with "
                f"`simvp test --name {self.path.name}`"
            )
        return names

    def find_sample(self, part: str) -> str:
        """The only saved sample whose id equals or contains `part`. Raises RunError otherwise."""
        names = self.saved_samples()
        found = [name for name in names if name == part] or matching(part, names)
        if len(found) == 1:
            return found[0]
        if not found:
            without_hash = {name.partition("_")[2] or name: None for name in names}
            hint = did_you_mean(part, [*without_hash, *names])
            raise RunError(
                f"{self.saved}: no saved sample id contains {part!r}.{hint} "
                f"Run `simvp viz` without an id to list all {len(names)} samples"
            )
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise RunError(
            f"{self.saved}: {len(found)} saved sample ids contain {part!r}: {shown}; "
            "give a longer part of the id"
        )


def matching(part: str, names: Iterable[str]) -> list[str]:
    """Names that start with `part`, or contain it without splitting a number.

    `boiling_2` matches `07cf_boiling_2` but not `07cf_boiling_21`; `07` matches both.
    """
    no_digit_before = r"(?<!\d)" if part[:1].isdigit() else ""
    no_digit_after = r"(?!\d)" if part[-1:].isdigit() else ""
    pattern = re.compile(no_digit_before + re.escape(part) + no_digit_after)
    return [name for name in names if part and (name.startswith(part) or pattern.search(name))]
