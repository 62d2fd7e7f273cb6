"""Weights and training states on disk: written atomically, read as data only."""

import os
import pickle
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from simvp.errors import OutputError, RunError
from simvp.files import publish

FORMAT = 1  # of training checkpoints; a reader refuses any other


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them to `path`. Raises OutputError."""
    try:
        with publish(path) as temporary:
            torch.save(dict(content), temporary)
    except RuntimeError as error:  # what torch raises when the disk is full
        raise OutputError(f"{path}: cannot be written ({error}); free some space") from error


def link(existing: Path, path: Path) -> None:
    """Make `path` another name of the file `existing`, or a copy where links are not to be had."""
    with publish(path) as temporary:
        try:
            os.link(existing, temporary)
        except OSError:
            shutil.copyfile(existing, temporary)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `save` wrote, tensors on `device`. Raises RunError; runs nothing that is in the file."""
    if not path.is_file():
        raise RunError(f"{path}: there is no such checkpoint; train a model with `simvp train`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses about a file that we judge ourselves
            content = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunError(
            f"{path}: holds more than tensors and plain data, or is damaged, and is not loaded "
            f"({str(error).splitlines()[0]})"
        ) from None
    except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"{path}: is damaged and cannot be loaded ({reason})") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: needs a dictionary of tensors, holds {type(content).__name__}")
    return content


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
    model.load_state_dict(weights)


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
