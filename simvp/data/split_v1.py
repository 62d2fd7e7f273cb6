"""Split files of version 1 and of the old scripts: for each sample the list of its frames."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from simvp.errors import DataError, plain_reason


def _frame_path(path: str) -> str:
    # The name of the sample's folder becomes the name of a folder of forecasts.
    name = _sample_id(path)
    if not path.endswith(".npy") or not path.isprintable() or name in ("", ".", ".."):
        raise ValueError(f"{path!r} is not a path of the form SAMPLE/0.npy")
    return path


def _sample_id(path: str) -> str:
    # The old scripts wrote the path separator of the system they ran on.
    return os.path.basename(os.path.dirname(path.replace("\\", "/")))


FramePaths = Annotated[list[Annotated[str, AfterValidator(_frame_path)]], Field(min_length=1)]


class _Part(BaseModel):
    samples: list[FramePaths] = []
    checksums: list[str] = []  # for each sample the CRC-32 of its files, separated by spaces


class _File(BaseModel):
    train: _Part = _Part()
    validation: _Part = _Part()
    test: _Part = _Part()


# Id of a sample, paths of its frames in order, and their checksums if known.
ListedSample = tuple[str, tuple[str, ...], tuple[str, ...]]


def parse(path: Path, record: dict[str, Any]) -> dict[str, list[ListedSample]]:
    """The samples of each part.

    Paths are relative to the split file's folder. The old scripts wrote them relative to the
    working directory, or absolute, which joining does not change.

    Raises: DataError if it is not a split file, or a sample is listed twice.
    """
    try:
        parts = dict(_File.model_validate(record, strict=True))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        reason = plain_reason(problem["msg"])
        raise DataError(
            f"{path}: is not a split file: {where}: {reason}; make one with `simvp split`"
        ) from None
    first = next((part.samples[0][0] for part in parts.values() if part.samples), None)
    if first is None:
        raise DataError(f"{path}: has no samples; make a split file with `simvp split`")
    beside = os.path.exists(os.path.join(path.parent, first))
    root = str(path.parent) if beside or not os.path.exists(first) else ""
    samples: dict[str, list[ListedSample]] = {}
    part_of: dict[str, str] = {}
    for name, part in parts.items():
        samples[name] = []
        checksums = part.checksums or [""] * len(part.samples)
        for frames, text in zip(part.samples, checksums, strict=True):
            sample_id = _sample_id(frames[0])
            if sample_id in part_of:
                raise DataError(
                    f"{path}: sample {sample_id} is listed in {part_of[sample_id]} and again in "
                    f"{name}; a score on it would mean nothing, so make another split"
                )
            part_of[sample_id] = name
            known = tuple(text.split()) if len(text.split()) == len(frames) else ()
            paths = tuple(os.path.join(root, frame) for frame in frames)
            samples[name].append((sample_id, paths, known))
    return samples
