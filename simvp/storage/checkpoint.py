"""Read and write weights and training checkpoints: atomically, and without executing code."""

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
from torch.utils._pytree import tree_leaves

from simvp.errors import OutputError, RunError
from simvp.storage.archives import check_archive, check_checksums, find_excess
from simvp.storage.files import publish

FORMAT = 1  # format version of training checkpoints; other versions are rejected
LATEST, PREVIOUS = "latest.pth", "previous.pth"


class DamagedFile(RunError):
    """A checkpoint file is damaged; an earlier checkpoint may be intact."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; use another file")
        self.problem = problem


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them to `path`. Raises OutputError."""
    try:
        with publish(path) as temporary:
            torch.save(dict(content), temporary)
    except RuntimeError as error:  # raised by torch.save if the disk is full
        free = shutil.disk_usage(path.parent).free
        needed = sum(item.nbytes for item in tree_leaves(dict(content)) if isinstance(item, Tensor))
        raise OutputError(
            f"{path}: cannot be written: {needed / 1e6:.1f} MB are needed, "
            f"{free / 1e6:.1f} MB are free; free some disk space"
        ) from error


def link(existing: Path, path: Path) -> None:
    """Make `path` a hard link to `existing`, or a copy if the file system has no hard links."""
    with publish(path) as temporary:
        try:
            os.link(existing, temporary)
        except OSError:
            shutil.copyfile(existing, temporary)


def load(path: Path) -> dict[str, Any]:
    """Load a file written by `save`, with all tensors on the CPU. Code in the file is not executed.

    Raises: RunError if the file cannot be read, or if it is a damaged training checkpoint.
    """
    if path.is_dir():
        raise RunError(
            f"{path}: is a folder; name a file of weights, such as simvp_model.pth in the folder "
            "of a run"
        )
    if not path.is_file():
        raise RunError(
            f"{path}: checkpoint not found; check the path, or train a model with `simvp train`"
        )
    try:
        check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns about the type of invalid files
            content = torch.load(path, map_location="cpu", weights_only=True)
        if not (isinstance(content, dict) and is_training_state(content)):  # those have a hash
            check_checksums(path)
    except PermissionError as error:
        reason = f"cannot be read ({error.strerror}); check its permissions"
        raise RunError(f"{path}: {reason}") from None
    except pickle.UnpicklingError:  # its message advises to run code from the file
        raise DamagedFile(
            f"{path}: is not a file of weights, is damaged, or contains objects other than tensors "
            "and plain data, which are not loaded for security"
        ) from None
    except Exception as error:  # on damaged bytes the unpickler can raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DamagedFile(f"{path}: is damaged and cannot be loaded ({reason})") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        found = "other keys" if isinstance(content, dict) else type(content).__name__
        raise DamagedFile(f"{path}: expected a dictionary of tensors by name, found {found}")
    if problem := find_excess(content, path.stat().st_size):
        raise DamagedFile(f"{path}: is damaged ({problem})")
    if is_training_state(content):
        if content["format"] != FORMAT:
            raise RunError(
                f"{path}: has checkpoint format {content['format']!r}, but this version of simvp "
                f"reads format {FORMAT}; use the version that wrote it"
            )
        if content.pop("sha256", None) != digest(content):
            raise DamagedFile(f"{path}: is damaged (SHA-256 mismatch)")
    return content


def save_training(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a training checkpoint with its format and hash, and link it as `latest.pth`.

    The previous checkpoint stays available as `previous.pth`, even if the process is killed.
    """
    stamped = {"format": FORMAT, **content}
    path, latest = folder / name, folder / LATEST
    if latest.exists():
        link(latest, folder / PREVIOUS)
    save(path, {**stamped, "sha256": digest(stamped)})
    if path != latest:
        link(path, latest)


def newest_training(folder: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Load the newest intact training checkpoint in `folder`; None if there are no checkpoints.

    Args:
        say: called with a message for each damaged checkpoint that is skipped.
    Raises: RunError if all checkpoints are damaged.
    """
    # epoch_15.pth, epoch_10.pth, epoch_5.pth: sorted by name, because file times are unreliable.
    by_epoch = sorted(folder.glob("epoch_[0-9]*.pth"), key=lambda path: (len(path.name), path.name))
    candidates = [folder / LATEST, folder / PREVIOUS, *reversed(by_epoch)]
    damaged: set[int] = set()  # inodes, because a file can have several names
    for path in candidates:
        if not path.exists() or path.stat().st_ino in damaged:
            continue
        try:
            content = load(path)
        except DamagedFile as error:
            damaged.add(path.stat().st_ino)
            say(f"{error.problem}; falling back to the previous checkpoint")
            continue
        if is_training_state(content):
            return content
        raise RunError(
            f"{path}: contains weights but no training state, so the run cannot be resumed; start "
            "a new run from these weights with --init-from"
        )
    if damaged:
        raise RunError(
            f"{folder}: all {len(damaged)} checkpoints are damaged; restore one from a backup, or "
            "start over with --overwrite"
        )
    return None


def digest(content: Any) -> str:
    """SHA-256 of nested containers of tensors, numbers and strings."""
    hasher = hashlib.sha256()

    def update(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                hasher.update(f"{key!r}:".encode())
                update(item)
        elif isinstance(value, list | tuple):
            hasher.update(f"[{len(value)}]".encode())
            for item in value:
                update(item)
        elif isinstance(value, Tensor):
            hasher.update(f"{value.dtype}{tuple(value.shape)}".encode())
            data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            hasher.update(data.numpy().data)
        else:
            hasher.update(repr(value).encode())

    update(content)
    return hasher.hexdigest()


def load_into(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """Load weights into `model`.

    Raises: RunError if a tensor is missing, unexpected, not finite or has another shape.
    """
    own = model.state_dict()
    shapes = {name: [*tensor.shape] for name, tensor in own.items()}
    tensors = {name: item for name, item in weights.items() if isinstance(item, Tensor)}
    found = {name: [*item.shape] for name, item in tensors.items()}
    problems = [
        f"{name}: " + (f"has shape {found[name]}, expected {shape}" if name in found else "missing")
        for name, shape in shapes.items()
        if found.get(name) != shape
    ]
    problems += [
        f"{name}: has values of {item.dtype}, expected {own[name].dtype}"
        for name, item in tensors.items()
        if name in own and item.is_floating_point() != own[name].is_floating_point()
    ]
    problems += [f"{name}: unexpected" for name in weights if name not in shapes]
    if problems:
        more = [f"... and {len(problems) - 10} more"] if len(problems) > 10 else []
        raise RunError(
            f"the weights do not match the network ({len(problems)} tensors); check the [model] "
            "settings and the shape of the frames\n  " + "\n  ".join([*problems[:10], *more])
        )
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise RunError(
            f"{len(bad)} of {len(weights)} tensors contain NaN or infinite values, the first is "
            f"{bad[0]}; use another file"
        )
    model.load_state_dict(weights)


def is_training_state(content: Mapping[str, Any]) -> bool:
    """Whether a loaded file is a training checkpoint, as opposed to plain weights."""
    return "format" in content and isinstance(content.get("model"), Mapping)
