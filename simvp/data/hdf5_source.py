"""The source that series in HDF5 files form."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.data.axes import static_axes
from simvp.data.hdf5_series import Field, Hdf5Series
from simvp.data.hdf5_store import dataset_at, find_dataset, read_values, texts
from simvp.data.series import Options, Source, select_channels
from simvp.data.static_fields import choose_static, unused_note
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

_PARTS = ("train", "validation", "test")
_EVEN = 0.01  # relative difference of time steps that count as even: times are often float32


@dataclass(frozen=True)
class Block:
    """Series that are stored together, in one file or group.

    Attributes:
        file: the HDF5 file.
        ids: of its series, in the order of the axis n.
        fields: where each channel is stored.
        static: where each field without a time axis is stored.
        frame_size: height and width.
        length: number of frames; None if it is not known yet.
        part: the part of the data set, if it is split already.
        is_8_bit: whether the values are 8-bit integers.
    """

    file: Path
    ids: tuple[str, ...]
    fields: Mapping[str, Field]
    frame_size: tuple[int, int]
    length: int | None
    part: str = ""
    is_8_bit: bool = False
    static: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What one file holds.

    Attributes:
        blocks: its series.
        card: entries of the data card, empty where the file does not say them.
        notes: assumptions; empty ones are dropped.
        vectors: pairs of channels or static fields that are the components of a vector along
            columns and rows.
    """

    blocks: Sequence[Block]
    card: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    vectors: Sequence[tuple[str, str]] = ()


def make_source(
    path: Path, kind: str, card: "DatasetCard", files: Sequence[Contents], options: Options
) -> Source:
    """The source of all series in files. Raises DataError or ConfigError."""
    blocks = [block for contents in files for block in contents.blocks]
    _check_blocks(path, blocks)
    known = [name for name in blocks[0].static if all(name in block.static for block in blocks)]
    static = choose_static(path, options, known, tuple(blocks[0].fields))
    channels = select_channels(tuple(blocks[0].fields), options, path)[0] + static
    shape = (len(channels), *blocks[0].frame_size)
    found, card_notes = _common_card(files)
    is_turned = not {"roll"}.issuperset(card.symmetries)
    card = card.completed(_with_vectors(found, files, channels, is_turned=is_turned), path)
    series = [
        Hdf5Series(
            id=series_id,
            channels=channels,
            shape=shape,
            stored_scaling=card.stored_scaling(channels),
            file=block.file,
            fields=fields,
            sample=sample,
            known_length=block.length,
        )
        for block in blocks
        for fields in [tuple({**block.static, **block.fields}[name] for name in channels)]
        for sample, series_id in enumerate(block.ids)
    ]
    notes = dict.fromkeys(note for contents in files for note in contents.notes if note)
    return Source(
        path=path,
        kind=kind,
        series=sorted(series, key=lambda item: item.id),
        channels=channels,
        shape=shape,
        card=card,
        is_8_bit=all(block.is_8_bit for block in blocks),
        assumptions=(*notes, *card_notes, *unused_note(known, options)),
        parts=_parts(blocks),
        inputs=(*options.inputs, *static),
    )


def _common_card(files: Sequence[Contents]) -> tuple["DatasetCard", list[str]]:
    """The entries in which all files agree, and a note of the others."""
    from simvp.data.card import DatasetCard

    names = sorted({name for contents in files for name, text in contents.card.items() if text})
    values = {name: {contents.card.get(name, "") for contents in files} for name in names}
    differing = [name for name, found in values.items() if len(found) > 1]
    agreed = {name: found.pop() for name, found in values.items() if len(found) == 1}
    notes = [f"left to the data card, as the files differ: {', '.join(differing)}"]
    return DatasetCard.model_validate(agreed), notes if differing else []


def _with_vectors(
    card: "DatasetCard", files: Sequence[Contents], channels: Sequence[str], *, is_turned: bool
) -> "DatasetCard":
    """The card with the vectors of the files.

    Args:
        is_turned: whether frames are mirrored or turned. Then vectors of which one component is no
            channel belong to the card as well, and are refused like those that a user names.
    """
    pairs = dict.fromkeys(pair for contents in files for pair in contents.vectors)
    least = 1 if is_turned else 2
    used = [list(pair) for pair in pairs if len(set(pair) & set(channels)) >= least]
    return card.model_copy(update={"vectors": used}) if used else card


def find_static(
    group: "h5py.Group", names: Iterable[str], sizes: Mapping[str, int]
) -> dict[str, Field]:
    """The data sets of a group that are fields without time.

    Args:
        names: of the data sets to look at.
        sizes: of the axes n, y and x.
    """
    found = {}
    for name in sorted(names):
        try:
            dataset = find_dataset(group, name, booleans=True)
        except DataError:  # something else than numbers
            continue
        axes = None if dataset is None else static_axes(dataset.shape, "nyx", sizes)
        if dataset is not None and axes is not None:
            found[name] = Field(str(dataset.name), axes)
    return found


def rows_note(rows: str = "x", columns: str = "y") -> str:
    """What is said of files whose first spatial axis becomes the rows."""
    return f"rows are {rows} and columns are {columns}, as they are stored"


def numbered_ids(stem: str, count: int) -> tuple[str, ...]:
    """`stem` for one series; `stem_000`, `stem_001`, ... for several."""
    width = max(3, len(str(count - 1)))
    return (stem,) if count == 1 else tuple(f"{stem}_{i:0{width}d}" for i in range(count))


def _check_blocks(path: Path, blocks: Sequence[Block]) -> None:
    """Raises DataError unless all have the same channels and frame size, and ids are unique."""
    first = blocks[0]
    names = tuple(first.fields)
    for block in blocks:
        if (tuple(block.fields), block.frame_size) != (names, first.frame_size):
            raise DataError(
                f"{block.file}: has channels {', '.join(block.fields)} of {block.frame_size} "
                f"(height, width), but {first.file} has {', '.join(names)} of {first.frame_size}; "
                "all series need the same channels, height and width"
            )
    counts = Counter(series_id for block in blocks for series_id in block.ids)
    repeated = next((series_id for series_id, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: two series have the name {repeated}; rename one of them")


def _parts(blocks: Sequence[Block]) -> dict[str, tuple[str, ...]]:
    """The ids in each part; a data set that is all in one part is not split yet."""
    parts = {
        part: tuple(sorted(id for block in blocks if block.part == part for id in block.ids))
        for part in _PARTS
    }
    parts = {part: ids for part, ids in parts.items() if ids}
    return parts if len(parts) > 1 else {}


def describe_time_step(file: "h5py.File", name: str) -> tuple[str, str]:
    """The time between two frames, and what to tell the user if there is no such time.

    Args:
        name: path of the times, whose last axis is time.
    Returns: the step with its unit, and an assumption; one of them is empty.
    """
    try:
        dataset = dataset_at(file, name)
    except DataError:
        return "", f"the time step is unknown: {name} is missing or does not hold numbers"
    values = read_values(dataset, (0,) * (len(dataset.shape) - 1)).astype(np.float64)
    unit = " ".join(texts(dataset, "units")) or "time units"
    return _describe_steps(values, name, unit)


def _describe_steps(times: NDArray[np.float64], name: str, unit: str) -> tuple[str, str]:
    steps = np.diff(times)
    if not len(steps):
        return "", f"the time step is unknown: {name} holds one time"
    mean = float(steps.mean())
    if not mean > 0 or not np.allclose(steps, mean, rtol=_EVEN, atol=0):
        return "", f"the times in {name} are not evenly spaced; frames are used as they follow"
    return f"{mean:.4g} {unit}", ""
