"""The versions of the software that trained a run, kept in its folder as `versions.json`."""

import json
import platform
from importlib.metadata import version
from typing import Any

import torch

from simvp import __version__
from simvp.errors import RunError
from simvp.runs import RunFolder
from simvp.storage.files import publish_text

Versions = dict[str, str]

_PACKAGES = ("numpy", "scipy", "scikit-image", "xarray")


def current_versions() -> Versions:
    """The versions of this process, by name."""
    found = {"simvp": __version__, "Python": platform.python_version(), "torch": torch.__version__}
    if torch.version.cuda:
        found["CUDA"] = torch.version.cuda
    return found | {name: version(name) for name in _PACKAGES}


def record_versions(folder: RunFolder, epoch: int) -> None:
    """Record the versions that train from an epoch on, if they are others than before.

    Raises: RunError if the record is damaged; OutputError if it cannot be written.
    """
    entries, current = read_versions(folder), current_versions()
    if not entries and epoch > 0:  # an earlier version of simvp began the run
        entries = [(0, {})]
    if not entries or entries[-1][1] != current:
        entries.append((epoch, current))
        record = [{"from_epoch": start, "versions": versions} for start, versions in entries]
        publish_text(folder.versions_file, json.dumps(record, indent=1) + "\n")


def read_versions(folder: RunFolder) -> list[tuple[int, Versions]]:
    """The versions of a run, and after how many epochs each set began; empty if not recorded.

    Raises: RunError if the record is damaged.
    """
    path = folder.versions_file
    if not path.exists():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())
        return [
            (int(entry["from_epoch"]), {str(k): str(v) for k, v in entry["versions"].items()})
            for entry in entries
        ]
    except PermissionError:
        raise  # no damage
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{path}: is damaged ({type(error).__name__}); restore it from a copy, or remove it"
        ) from None


def describe_versions(entries: list[tuple[int, Versions]]) -> str:
    """All versions in a line; `not recorded` for runs of earlier versions of simvp."""
    texts = [
        (f"from epoch {start + 1}: " if start else "")
        + (", ".join(f"{name} {value}" for name, value in versions.items()) or "not recorded")
        for start, versions in entries
    ]
    return "; ".join(texts) or "not recorded"
