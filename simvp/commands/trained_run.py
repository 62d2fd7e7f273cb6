"""What a run has saved: with which data it was trained, and the weights of its networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simvp.config import Config, read_layer
from simvp.data.split import Split
from simvp.errors import ConfigError
from simvp.runs import RunFolder


def data_settings(folder: RunFolder) -> dict[str, Any]:
    """What a run has saved of the section `data`; nothing if there is no run, only weights."""
    if not folder.config_file.exists():
        return {}
    settings: dict[str, Any] = read_layer(folder.config_file).tables["data"]
    return settings


def is_own(folder: RunFolder, split: Split) -> bool:
    """Whether a split is the one that the run was trained on; a run without a folder has none."""
    trained_on = data_settings(folder).get("split")
    return Path(trained_on).resolve() == split.path.resolve() if trained_on else True


def check_same_data(config: Config, folder: RunFolder) -> None:
    """Raises ConfigError if a run is resumed with other data, but the split that it has."""
    trained, given = data_settings(folder), config.data
    if not trained.get("split") or trained["split"] != given.split or not trained.get("path"):
        return
    if Path(trained["path"]).resolve() != Path(given.path).resolve():
        raise ConfigError(
            f"data.path = {given.path!r}: the run in {folder.path} was trained on "
            f"{trained['path']}; leave it out to resume this run, give the split file of data "
            "that were moved with --data, or start another run with --name NAME"
        )


def check_lengths(config: Config, folder: RunFolder) -> None:
    """Raises ConfigError if the run was trained with another number of frames in or out."""
    trained = data_settings(folder)
    for name, remedy in (
        ("pre_seq_length", "train another run for other input frames"),
        ("aft_seq_length", "use --steps to forecast more or fewer"),
    ):
        found, expected = getattr(config.data, name), trained.get(name)
        if expected is not None and found != expected:
            raise ConfigError(
                f"data.{name} = {found}: {folder.path} was trained with {expected}; {remedy}"
            )


def find_weights(config: Config, folder: RunFolder, given: str) -> list[Path]:
    """The file `given`, or the models of all members of the run. Raises RunError."""
    train = config.train
    return folder.find_weights(given, members=train.members, epochs=train.epochs)


def incomplete(config: Config, folder: RunFolder, files: Sequence[Path]) -> list[str]:
    """A line if the model of a run is used before its training is complete."""
    done, epochs = folder.epochs_done(), config.train.epochs
    if folder.model_file not in files or done is None or done >= epochs:
        return []
    return [f"the training is not complete: {done} of {epochs} epochs are done"]


def describe_weights(files: Sequence[Path]) -> str:
    """The file of the weights, or those of an ensemble."""
    if len(files) == 1:
        return str(files[0])
    return f"the mean of {len(files)} members in {files[0].parent}"
