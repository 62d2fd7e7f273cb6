"""The folder of a run: paths of its files, creation and lookup of saved samples."""

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from simvp.config import name_option
from simvp.errors import RunError, did_you_mean
from simvp.storage.files import (
    TEMPORARY_PREFIX,
    convert_os_errors,
    lock_folder,
    publish_text,
    remove_stale,
)

FRAME_KINDS = ("inputs", "trues", "preds")
EVENTS_SUFFIX = ".simvp"  # of the names of TensorBoard event files
PICTURE_MARK = b"drawn by simvp"  # in the metadata of pictures
# Files that file managers write into folders that are looked at.
_OF_FILE_MANAGERS = {".DS_Store", "Thumbs.db", "desktop.ini"}

# The first line of a run's config tells that simvp made the folder and may replace its files.
# Configs of version 1 begin with the first section.
_MARK = "# Settings of a run of simvp, which may replace the files in this folder\n"
_MARKS = (_MARK, "[run]\n# name of the run")


class RunFolder:
    """Paths in `work_dirs/<name>`; docs/files.md describes them."""

    def __init__(self, path: Path, test: str = "") -> None:
        """Name the paths.

        Args:
            test: name of a folder in `tests`, whose forecasts are those in `saved`; empty for
                those of the usual test.
        """
        self.path = path
        self.config_file = path / "config.toml"
        self.data_file = path / "data.json"
        self.versions_file = path / "versions.json"
        self.metrics_file = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.latest = self.checkpoints / "latest.pth"
        self.model_file = path / "simvp_model.pth"
        self.tests = path / "tests"  # like saved, of other parts, data sets and numbers of steps
        self.saved = self.tests / test if test else path / "saved"
        self.pictures = path / "pictures"
        self.report = path / "report.html"
        self.forecasts = path / "forecasts"
        self.events = path / "tensorboard"
        self.members = path / "members"  # further ones of an ensemble, each like a run's folder
        self.trials = path / "trials"  # of recipes, each like the folder of a run
        self.trials_file = self.trials / "trials.json"

    def trial(self, name: str) -> "RunFolder":
        """The folder of a trial."""
        return RunFolder(self.trials / name)

    def member(self, number: int) -> "RunFolder":
        """The folder of a member of an ensemble, from 1: the first one is in the run's folder."""
        return self if number == 1 else RunFolder(self.members / str(number))

    def members_after(self, count: int) -> list["RunFolder"]:
        """The members that an ensemble of `count` does not use, from an earlier, larger one."""
        numbers = sorted(int(path.name) for path in self.members.glob("[1-9]*") if _is_number(path))
        return [self.member(number) for number in numbers if number > count]

    def lock(self, *, is_main: bool) -> AbstractContextManager[None]:
        """Lock the folder in the main process while the block runs. Raises RunError."""
        return lock_folder(self.path) if is_main else nullcontext()

    def exists(self) -> bool:
        """Whether the folder contains a run: its config says so."""
        try:
            return self.config_file.read_text(encoding="utf-8").startswith(_MARKS)
        except PermissionError:
            raise  # no damage
        except (OSError, ValueError):
            return False

    def begun_since(self, seconds: float) -> bool:
        """Whether the run began or was resumed after a time, in seconds since the epoch."""
        return self.exists() and self.config_file.stat().st_mtime >= seconds

    def check_free(self) -> None:
        """Raises RunError if the folder contains a run, or files of another program."""
        if self.exists():
            raise RunError(
                f"{self.path}: already contains a run; resume it with --resume, choose another "
                "name with --name NAME, or replace it with --overwrite"
            )
        self.check_own()

    def check_own(self) -> None:
        """Raises RunError if files are in the way that were not written by a run of simvp."""
        names = [self.config_file, self.data_file, self.versions_file]
        names += [self.metrics_file, self.model_file]
        in_the_way = [] if self.exists() else [path for path in names if path.exists()]
        written = set(self._written_files()) if self.exists() else set()
        for folder in self._folders():
            in_the_way += [p for p in folder.rglob("*") if p.is_file() and p not in written]
        in_the_way = [
            path
            for path in in_the_way
            if not path.name.startswith(TEMPORARY_PREFIX) and path.name not in _OF_FILE_MANAGERS
        ]
        if in_the_way:
            shown = ", ".join(str(path.relative_to(self.path)) for path in in_the_way[:3])
            raise RunError(
                f"{self.path}: contains files that simvp did not write ({shown}"
                f"{', ...' if len(in_the_way) > 3 else ''}); move them, or choose another --name"
            )

    def check_exists(self) -> None:
        """Raises RunError, which suggests similar names, if the folder contains no run."""
        if not self.exists():
            names = [path.name for path in self.path.parent.glob("*") if path.is_dir()]
            raise RunError(
                f"{self.path}: run not found.{did_you_mean(self.path.name, names)} "
                "Start it with `simvp train`, or choose another run with --name"
            )

    def epochs_done(self) -> int | None:
        """Number of epochs that have been trained; None if the run does not say."""
        try:
            last = self.metrics_file.read_text(encoding="utf-8").splitlines()[-1]
            return int(float(last.partition(",")[0]))
        except (OSError, ValueError, IndexError):
            return None

    def find_weights(self, given: str, *, members: int, epochs: int) -> list[Path]:
        """The file `given`, or the models of all members of the run if it is empty.

        Args:
            epochs: those of a complete training, which an ensemble needs.
        Raises: RunError if there is none, or if members have not been trained yet.
        """
        file = Path(given) if given else self.model_file
        if not file.exists():
            hint = "" if given else "; it appears after the first epoch of `simvp train`"
            raise RunError(f"{file}: there is no such checkpoint{hint}")
        if given or members == 1:
            return [file]
        folders = [self.member(number) for number in range(1, members + 1)]
        trained = [
            f for f in folders if f.model_file.exists() and f.epochs_done() in (None, epochs)
        ]
        if len(trained) < members:
            again = f"simvp train{name_option(self.path)} --resume"
            fewer = f", leave out the others with `{again} --members {len(trained)}`"
            keeps_first = len(trained) > 1 and trained == folders[: len(trained)]
            raise RunError(
                f"{self.path}: {len(trained)} of {members} members have been trained for "
                f"{epochs} epochs; finish it with `{again}`{fewer if keeps_first else ''}, "
                f"or use a single member with --weights {shlex.quote(str(file))}"
            )
        return [folder.model_file for folder in folders]

    def check_resumable(self) -> None:
        """Raises RunError if a run without checkpoints has results that a new run would replace."""
        if self.exists() and (self.saved.exists() or self.metrics_file.exists()):
            raise RunError(
                f"{self.path}: has results but no checkpoints to resume from; start another run "
                f"with --name NAME, which may continue from its weights with --init-from "
                f"{self.model_file}, or replace this one with --overwrite"
            )

    def _folders(self) -> tuple[Path, ...]:
        """The folders that a run replaces."""
        own = (self.checkpoints, self.saved, self.tests, self.pictures, self.events)
        return *own, self.members, self.trials

    def _written_files(self) -> Iterator[Path]:
        """The files that a run writes, without config and data description."""
        yield from (self.versions_file, self.metrics_file, self.model_file)
        yield from (self.latest, self.checkpoints / "previous.pth")
        yield from self.checkpoints.glob("epoch_[0-9]*.pth")
        yield from self.events.glob(f"events.out.tfevents.*{EVENTS_SUFFIX}")
        for saved in (self.saved, *self.tests.glob("[!.]*")):
            yield from (saved / name for name in ("metrics.json", "metrics.npy", "dataset.toml"))
            for kind in FRAME_KINDS:
                yield from (saved / kind).glob("*/[0-9]*.npy")
        ids = [path.name for path in (self.saved / FRAME_KINDS[0]).glob("[!.]*")]
        for path in self.pictures.glob("*.*"):  # version 1 drew without the mark
            if path.stem in ids or _is_drawn(path):
                yield path
        if _is_drawn(self.report):
            yield self.report
        yield self.trials_file
        for inner in map(RunFolder, (*self.trials.glob("[!.]*"), *self.members.glob("[!.]*"))):
            if inner.exists():
                yield from (inner.config_file, inner.data_file, *inner._written_files())

    def begin(self, config_toml: str, data_json: str) -> None:
        """Delete the files of an earlier run and save the config and data description.

        Raises: RunError if other files are in the way; OutputError if the folder cannot be written.
        """
        self.check_own()
        with convert_os_errors(self.path):
            for path in [*self._written_files(), self.data_file]:
                path.unlink(missing_ok=True)
            for folder in self._folders():
                if folder.exists():
                    shutil.rmtree(folder)  # only empty folders and temporary files are left
        self.resume(config_toml, data_json)

    def resume(self, config_toml: str, data_json: str) -> None:
        """Remove temporary files of a killed process and save the config. Raises OutputError.

        An existing data description is not replaced, because the run was started with it.
        """
        with convert_os_errors(self.path):
            for folder in (self.path, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
                remove_stale(folder)
            remove_stale(self.trials)
        publish_text(self.config_file, _MARK + config_toml)
        if not self.data_file.exists():
            publish_text(self.data_file, data_json)

    def saved_samples(self) -> list[str]:
        """Ids of the samples saved by `simvp test`. Raises RunError if there are none."""
        folder = self.saved / FRAME_KINDS[0]
        names = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
        if not names:
            others = [path.name for path in self.tests.glob("[!.]*")]
            is_other = self.saved.parent == self.tests
            hint = did_you_mean(self.saved.name, others) if is_other else ""
            remedy = f"Create them with `simvp test{name_option(self.path)}`"
            if is_other:
                remedy = f"Other tests of this run: {', '.join(sorted(others)) or 'none'}"
            raise RunError(
                f"{self.saved if is_other else self.path}: contains no forecasts.{hint} {remedy}"
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
                f"Run `simvp viz` without an id to list all samples"
            )
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise RunError(
            f"{self.saved}: {len(found)} saved sample ids contain {part!r}: {shown}; "
            "give a longer part of the id"
        )


def _is_number(path: Path) -> bool:
    return path.name.isascii() and path.name.isdecimal()


def _is_drawn(path: Path) -> bool:
    """Whether a file is a picture or a page of simvp."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(1000)
        file.seek(max(0, path.stat().st_size - 4000))  # where PDF and MP4 have it
        return PICTURE_MARK in start or PICTURE_MARK in file.read()


def matching(part: str, names: Iterable[str]) -> list[str]:
    """Names that start with `part`, or contain it without splitting a number.

    `boiling_2` matches `07cf_boiling_2` but not `07cf_boiling_21`; `07` matches both.
    """
    no_digit_before = r"(?<!\d)" if part[:1].isdigit() else ""
    no_digit_after = r"(?!\d)" if part[-1:].isdigit() else ""
    pattern = re.compile(no_digit_before + re.escape(part) + no_digit_after)
    return [name for name in names if part and (name.startswith(part) or pattern.search(name))]
