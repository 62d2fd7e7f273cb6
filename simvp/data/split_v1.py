"""Split files of version 1 and of the old scripts: for each sample the list of its frames."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simvp.errors import DataError


@dataclass(frozen=True)
class ListedSample:
    """A sample's id, which is the name of its folder, and the paths of its frames in order.

    Attributes:
        checksums: CRC-32 of each file in hexadecimal; empty if not known.
    """

    id: str
    frames: tuple[str, ...]
    checksums: tuple[str, ...]


def parse(
    path: Path, record: dict[str, Any], parts: Sequence[str]
) -> dict[str, list[ListedSample]]:
    """The samples of each part of a split file, given its content.

    Raises: DataError if it is not a split file, or a sample is listed twice.
    """
    samples: dict[str, list[ListedSample]] = {}
    for name in parts:
        entry = record.get(name, {"samples": []})
        lists = entry.get("samples") if isinstance(entry, dict) else None
        if not isinstance(lists, list) or not all(_is_sample(item) for item in lists):
            raise DataError(
                f"{path}: {name}: expected `samples`, lists of paths of the form SAMPLE/0.npy; "
                "make a split file with `simvp split`"
            )
        checksums = entry.get("checksums", [""] * len(lists))
        if not isinstance(checksums, list) or [*map(type, checksums)] != [str] * len(lists):
            raise DataError(
                f"{path}: {name}: expected `checksums`, a string for each sample; make a split "
                "file with `simvp split`"
            )
        samples[name] = [
            _sample(item, text.split()) for item, text in zip(lists, checksums, strict=True)
        ]
    if not any(samples.values()):
        raise DataError(f"{path}: has no samples; make a split file with `simvp split`")
    _check_disjoint(path, samples)
    return _with_root(path, samples)


def _is_sample(item: object) -> bool:
    return (
        isinstance(item, list)
        and len(item) > 0
        and all(isinstance(frame, str) and frame.endswith(".npy") for frame in item)
        and all(frame.isprintable() for frame in item)
        # The id becomes the name of a folder of forecasts.
        and _sample(item).id not in ("", ".", "..")
    )


def _sample(frames: list[str], checksums: Sequence[str] = ()) -> ListedSample:
    # The old scripts wrote the path separator of the system they ran on.
    name = os.path.basename(os.path.dirname(frames[0].replace("\\", "/")))
    known = tuple(checksums) if len(checksums) == len(frames) else ()
    return ListedSample(name, tuple(frames), known)


def _check_disjoint(path: Path, parts: dict[str, list[ListedSample]]) -> None:
    seen: dict[str, str] = {}
    for name, samples in parts.items():
        for sample in samples:
            if sample.id in seen:
                raise DataError(
                    f"{path}: sample {sample.id} is listed in {seen[sample.id]} and again in "
                    f"{name}; a score on it would mean nothing, so make another split"
                )
            seen[sample.id] = name


def _with_root(path: Path, parts: dict[str, list[ListedSample]]) -> dict[str, list[ListedSample]]:
    """The samples with paths that can be opened.

    Paths are relative to the split file's folder. The old scripts wrote them relative to the
    working directory, or absolute, which joining does not change.
    """
    first = next(sample for samples in parts.values() for sample in samples).frames[0]
    beside = os.path.exists(os.path.join(path.parent, first))
    root = str(path.parent) if beside or not os.path.exists(first) else ""
    return {
        name: [
            ListedSample(s.id, tuple(os.path.join(root, frame) for frame in s.frames), s.checksums)
            for s in samples
        ]
        for name, samples in parts.items()
    }
