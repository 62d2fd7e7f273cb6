"""Weights and training states on disk: written atomically, read as data only."""

import hashlib
import os
import pickle
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from simvp.errors import OutputError, RunError
from simvp.storage.files import publish

FORMAT = 1  # of training checkpoints; a reader refuses any other
LATEST, PREVIOUS = "latest.pth", "previous.pth"


class Damaged(RunError):
    """A file that is not what was written; another one may be whole."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them to `path`. Raises OutputError."""
    try:
        with publish(path) as temporary:
            torch.save(dict(content), temporary)
    except RuntimeError as error:  # what torch raises when the disk is full
        free = shutil.disk_usage(path.parent).free
        raise OutputError(
            f"{path}: cannot be written: it needs {_num_bytes(content) / 1e6:.1f} MB, and "
            f"{free / 1e6:.1f} MB are free there; free some space"
        ) from error


def _num_bytes(content: Any) -> int:
    """The memory of all tensors in nested containers."""
    if isinstance(content, Mapping):
        return sum(_num_bytes(item) for item in content.values())
    if isinstance(content, list | tuple):
        return sum(_num_bytes(item) for item in content)
    return content.nbytes if isinstance(content, Tensor) else 0


def link(existing: Path, path: Path) -> None:
    """Make `path` another name of the file `existing`, or a copy where links are not to be had."""
    with publish(path) as temporary:
        try:
            os.link(existing, temporary)
        except OSError:
            shutil.copyfile(existing, temporary)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, all tensors on the CPU. Runs nothing that is in the file.

    Raises: RunError if it cannot be read, or is a training checkpoint and not as it was written.
    """
    if not path.is_file():
        raise RunError(f"{path}: there is no such checkpoint; train a model with `simvp train`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses about a file that we judge ourselves
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Damaged(
            f"{path}: holds more than tensors and plain data, or is damaged, and is not loaded "
            f"({str(error).splitlines()[0]})"
        ) from None
    except Exception as error:  # on damaged bytes the unpickler fails in every way there is
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Damaged(f"{path}: is damaged and cannot be loaded ({reason})") from None
    if not isinstance(content, dict):
        raise Damaged(f"{path}: needs a dictionary of tensors, holds {type(content).__name__}")
    if is_training_state(content):
        _check_training(path, content)
    return content


def save_training(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a training checkpoint with its format and hash, then make it the latest one.

    The latest one so far stays as `previous.pth`: at any moment two of them are whole.
    """
    stamped = {"format": FORMAT, **content}
    path, latest = folder / name, folder / LATEST
    if latest.exists():
        link(latest, folder / PREVIOUS)
    save(path, {**stamped, "sha256": digest(stamped)})
    if path != latest:
        link(path, latest)


def newest_training(folder: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest training checkpoint in `folder` that is whole; None if there is none at all.

    Args:
        say: told which damaged ones were passed over.
    Raises: RunError if there are some and all of them are damaged.
    """
    candidates = [folder / LATEST, folder / PREVIOUS, *_by_epoch(folder)]
    damaged: set[int] = set()  # a file has several names here; it is tried once
    for path in candidates:
        if not path.exists() or path.stat().st_ino in damaged:
            continue
        try:
            content = load(path)
        except Damaged as error:
            damaged.add(path.stat().st_ino)
            say(f"{error}; going back to the checkpoint before it")
            continue
        if not is_training_state(content):
            raise RunError(f"{path}: holds weights only; a run is resumed from its checkpoints")
        return content
    if damaged:
        raise RunError(
            f"{folder}: all {len(damaged)} checkpoints are damaged; restore one from a copy, or "
            "begin again with --overwrite"
        )
    return None


def digest(content: Any) -> str:
    """The SHA-256 of nested containers of tensors, numbers and strings."""
    hasher = hashlib.sha256()
    _feed(hasher, content)
    return hasher.hexdigest()


def _feed(hasher: "hashlib._Hash", value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            hasher.update(f"{key!r}:".encode())
            _feed(hasher, item)
    elif isinstance(value, list | tuple):
        hasher.update(f"[{len(value)}]".encode())
        for item in value:
            _feed(hasher, item)
    elif isinstance(value, Tensor):
        hasher.update(f"{value.dtype}{tuple(value.shape)}".encode())
        hasher.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    else:
        hasher.update(repr(value).encode())


def _check_training(path: Path, content: dict[str, Any]) -> None:
    if content["format"] != FORMAT:
        raise RunError(
            f"{path}: is of format {content['format']!r}, this simvp reads {FORMAT}; use the "
            "version that wrote it"
        )
    stated = content.pop("sha256", None)
    if stated != digest(content):
        raise Damaged(f"{path}: is damaged (its content does not have the hash that it states)")


def _by_epoch(folder: Path) -> list[Path]:
    """epoch_15.pth, epoch_10.pth, ...: by what is in the name, for clocks may jump."""
    numbered = [
        (int(path.stem.removeprefix("epoch_")), path)
        for path in folder.glob("epoch_*.pth")
        if path.stem.removeprefix("epoch_").isdecimal()
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def fill(model: nn.Module, content: Mapping[str, Any]) -> None:
    """Fill `model` with the weights in a loaded file, plain ones or those of a training checkpoint.

    Raises: RunError if one is missing, left over or of another shape.
    """
    weights = content["model"] if is_training_state(content) else content
    problems = mismatches(model.state_dict(), weights)
    if problems:
        raise RunError(
            f"does not fit the network that the config describes ({len(problems)} tensors); "
            f"check [model] and the data's shape\n{listed(problems)}"
        )
    check_finite(weights)
    model.load_state_dict(weights)


def check_finite(weights: Mapping[str, Tensor]) -> None:
    """Raises RunError if a weight is NaN or infinite."""
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise RunError(
            f"{len(bad)} of {len(weights)} tensors hold numbers that are not finite, the first "
            f"{bad[0]}; take another file"
        )


def listed(problems: list[str], most: int = 10) -> str:
    """A line for each of the first problems, and how many more there are."""
    lines = [f"  {problem}" for problem in problems[:most]]
    more = [f"  ... and {len(problems) - most} more"] if len(problems) > most else []
    return "\n".join([*lines, *more])


def is_training_state(content: Mapping[str, Any]) -> bool:
    """Whether a loaded file is a checkpoint of a training, not weights alone."""
    return "format" in content and "model" in content


def mismatches(expected: Mapping[str, Tensor], found: Mapping[str, Any]) -> list[str]:
    """What keeps `found` from being loaded, a line for each tensor."""
    problems = []
    for name, tensor in expected.items():
        value = found.get(name)
        if not isinstance(value, Tensor):
            problems.append(f"{name}: missing")
        elif value.shape != tensor.shape:
            problems.append(f"{name}: has shape {[*value.shape]}, needed {[*tensor.shape]}")
    return problems + [f"{name}: left over" for name in found if name not in expected]
