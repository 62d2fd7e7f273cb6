"""Split files: which samples train, which choose the best model, which are for the test."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simvp.errors import DataError
from simvp.storage.files import publish_text

PARTS = ("train", "validation", "test")
SUFFIX = "_loaders.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample's id, which is its folder's name, and the paths of its frames in order.

    Attributes:
        checksums: of the frames' files, as `samples.read_sample` gives them; none if not known.
    """

    id: str
    frames: tuple[str, ...]
    checksums: tuple[str, ...] | None = None

    def first(self, count: int) -> "Sample":
        """The same with its first frames only."""
        checksums = self.checksums[:count] if self.checksums else None
        return Sample(self.id, self.frames[:count], checksums)


@dataclass(frozen=True)
class Split:
    """What a split file says; a part that it lacks has no samples."""

    path: Path
    parts: dict[str, list[Sample]]

    def part(self, name: str) -> list[Sample]:
        """The samples of a part. Raises DataError if there are none."""
        if not self.parts[name]:
            raise DataError(
                f"{self.path}: has no {name} samples; make another split with `simvp split`"
            )
        return self.parts[name]


def write(folder: Path, ratios: Sequence[float], parts: Sequence[Sequence[Sample]]) -> Path:
    """Write the split file of a data folder, named by the hash of its content.

    Args:
        ratios, parts: share and samples of train, validation and test.
    """
    record: dict[str, Any] = {
        name: {
            "ratio": ratio,
            "samples": [[_relative(path, folder) for path in sample.frames] for sample in samples],
            # A string for each sample, so that the file stays small.
            "checksums": [" ".join(sample.checksums or ()) for sample in samples],
        }
        for name, ratio, samples in zip(PARTS, ratios, parts, strict=True)
        if samples
    }
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    path = folder / f"{digest}{SUFFIX}"
    publish_text(path, json.dumps({"id": digest, **record}, indent=1) + "\n")
    return path


def newest(folder: Path) -> Path:
    """The split file in a data folder that was written last. Raises DataError if none is there."""
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise DataError(
            f"{folder}: holds no split file (*{SUFFIX}); make one with "
            f"`simvp split --data-path {folder}`, or name one with --data"
        )
    return found[-1]


def read(path: Path) -> Split:
    """Read a split file, ours or the old scripts'. Raises DataError if it is not one."""
    record = _read_json(path)
    parts: dict[str, list[Sample]] = {}
    for name in PARTS:
        entry = record.get(name, {"samples": []})
        lists = entry.get("samples") if isinstance(entry, dict) else None
        if not isinstance(lists, list) or not all(_is_sample(item) for item in lists):
            raise DataError(
                f"{path}: {name}: needs `samples`, lists of paths of the form SAMPLE/0.npy; "
                "make a split file with `simvp split`"
            )
        checksums = entry.get("checksums", [""] * len(lists))
        if not isinstance(checksums, list) or [*map(type, checksums)] != [str] * len(lists):
            raise DataError(
                f"{path}: {name}: `checksums` needs a string for each sample; make a split file "
                "with `simvp split`"
            )
        parts[name] = [
            _sample(item, text.split()) for item, text in zip(lists, checksums, strict=True)
        ]
    if not any(parts.values()):
        raise DataError(f"{path}: has no samples; make a split file with `simvp split`")
    _check_disjoint(path, parts)
    root = _root_of_paths(path, parts)
    return Split(
        path,
        {
            name: [
                dataclasses.replace(
                    sample, frames=tuple(os.path.join(root, frame) for frame in sample.frames)
                )
                for sample in samples
            ]
            for name, samples in parts.items()
        },
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such split file; make one with `simvp split`"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is not a split file: not JSON ({error}); make one with `simvp split`"
        ) from None
    if not isinstance(record, dict):
        raise DataError(f"{path}: is not a split file: needs a JSON object with {PARTS}")
    return record


def _is_sample(item: object) -> bool:
    return (
        isinstance(item, list)
        and len(item) > 0
        and all(isinstance(frame, str) and frame.endswith(".npy") for frame in item)
        and all(frame.isprintable() for frame in item)
        # The id becomes a folder of the forecasts.
        and _sample(item).id not in ("", ".", "..")
    )


def _sample(frames: list[str], checksums: Sequence[str] = ()) -> Sample:
    # The old scripts wrote the separator of the system they ran on.
    name = os.path.basename(os.path.dirname(frames[0].replace("\\", "/")))
    known = tuple(checksums) if len(checksums) == len(frames) else None
    return Sample(name, tuple(frames), known)


def _check_disjoint(path: Path, parts: dict[str, list[Sample]]) -> None:
    seen: dict[str, str] = {}
    for name, samples in parts.items():
        for sample in samples:
            if sample.id in seen:
                raise DataError(
                    f"{path}: sample {sample.id} is listed in {seen[sample.id]} and again in "
                    f"{name}; a score on it would mean nothing, so make another split"
                )
            seen[sample.id] = name


def _root_of_paths(path: Path, parts: dict[str, list[Sample]]) -> str:
    """What the paths are relative to: the split file's folder, or the working directory.

    The old scripts wrote paths as the user had typed them; joining an absolute one changes
    nothing.
    """
    first = next(sample for samples in parts.values() for sample in samples).frames[0]
    beside = os.path.join(path.parent, first)
    return str(path.parent) if os.path.exists(beside) or not os.path.exists(first) else ""


def _relative(path: str, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")
