"""What the formats made of pictures share: names of files and of channels.

T: frames; C: channels; H, W: height and width.
"""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from simvp.data.card import DatasetCard, card_path
from simvp.data.listing import split_numbers
from simvp.errors import DataError

_ONE_NUMBER = "name the frames frame_0, frame_1, ... with one number that counts them"


def first_bytes(path: Path) -> bytes:
    """The first 16 bytes of a regular file; empty if it cannot be read."""
    try:
        if not path.is_file():  # opening a FIFO would block
            return b""
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def numbering(folder: Path, names: Sequence[str]) -> tuple[list[str], range]:
    """Order the files of a series by the number in their names.

    Returns: the names in order, and their numbers.
    Raises: DataError if the names do not have one number that counts in constant steps.
    """
    parts = {name: split_numbers(os.path.splitext(name)[0]) for name in names}
    texts = {name: tuple(split[::2]) for name, split in parts.items()}
    usual = Counter(texts.values()).most_common(1)[0][0]
    odd = [name for name in names if texts[name] != usual]
    if odd:
        like = next(name for name in names if texts[name] == usual)
        raise DataError(
            f"{folder / odd[0]}: is not named like {like}; {_ONE_NUMBER}, and move other files "
            "elsewhere"
        )
    numbers = {name: [int(digits) for digits in split[1::2]] for name, split in parts.items()}
    columns = list(zip(*numbers.values(), strict=True))
    varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) > 1:
        raise DataError(
            f"{folder}: the names of its files differ in {len(varying)} numbers "
            f"({names[0]}, ..., {names[-1]}); {_ONE_NUMBER}, and put each series into its own "
            "folder"
        )
    if not columns:
        return list(names), range(len(names))
    counter = varying[0] if varying else len(columns) - 1
    ordered = sorted(names, key=lambda name: (numbers[name][counter], name))
    return ordered, _steps(folder, ordered, [numbers[name][counter] for name in ordered])


def _steps(folder: Path, names: list[str], numbers: list[int]) -> range:
    """Sorted numbers as a range. Raises DataError if their step is not constant."""
    step = min((b - a for a, b in pairwise(numbers)), default=1)
    for index, (before, after) in enumerate(pairwise(numbers)):
        if after == before:
            raise DataError(
                f"{folder}: {names[index]} and {names[index + 1]} have the same number; remove one"
            )
        if after - before != step and step > 0:
            raise DataError(
                f"{folder}: number {before + step} is missing between {names[index]} and "
                f"{names[index + 1]}; restore the frame, or renumber the files in constant steps "
                "if none is missing"
            )
    return range(numbers[0], numbers[-1] + 1, step)


def name_channels(
    count: int, card: DatasetCard, folder: Path, *, colour: bool = False
) -> tuple[str, ...]:
    """Names of the channels: those of the card, or red, green, blue of a colour picture.

    Raises: ConfigError if the card names another number of channels.
    """
    if colour and not card.channels:
        return ("red", "green", "blue")
    return card.channel_names(count, card_path(folder))


def unique_ids(paths: Sequence[Path]) -> dict[str, Path]:
    """Ids of files that are a series each: their names without suffix, numbers zero-padded.

    Raises: DataError if two files have the same id.
    """
    stems = {path: path.stem.removesuffix(".ome") for path in paths}
    split = {path: split_numbers(stem) for path, stem in stems.items()}
    width: dict[int, int] = {}
    for parts in split.values():
        for i, part in enumerate(parts):
            width[i] = max(width.get(i, 0), len(part))
    ids: dict[str, Path] = {}
    for path, parts in split.items():
        padded = (part.zfill(width[i]) if i % 2 else part for i, part in enumerate(parts))
        name = "".join(padded)
        if name in ids:
            raise DataError(
                f"{path}: would have the same id, {name}, as {ids[name].name}; rename one of them"
            )
        ids[name] = path
    return dict(sorted(ids.items()))
