"""Which frames train, validate and test: whole series, or consecutive ranges of time."""

import re
from collections.abc import Mapping, Sequence

from simvp.data.segments import Segment
from simvp.errors import ConfigError, DataError

Parts = list[list[Segment]]  # of train, validation and test


def part_sizes(count: int, ratios: Sequence[float]) -> list[int]:
    """Divide `count` by the ratios, which sum to 1, with the largest remainder method.

    A part with a ratio above 0 has at least one, if there are enough: 11 by 0.7, 0.15, 0.15 are
    8, 1, 2, and 3 are 1, 1, 1.
    """
    shares = [count * ratio for ratio in ratios]
    sizes = [int(share + 1e-9) for share in shares]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (sizes[i] - shares[i], -i))
    for i in by_remainder[: count - sum(sizes)]:
        sizes[i] += 1
    for i, ratio in enumerate(ratios):
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        if ratio > 0 and sizes[i] == 0 and sizes[largest] > 1:
            sizes[i], sizes[largest] = 1, sizes[largest] - 1
    return sizes


def by_record(segments: Sequence[Segment]) -> list[list[Segment]]:
    """The segments of each record, in the order of the first one of each.

    A record is a series, or the series between the gaps of one, in order of time.
    """
    records: dict[str, list[Segment]] = {}
    for segment in segments:
        records.setdefault(segment.series.record or segment.series.id, []).append(segment)
    return [sorted(pieces, key=lambda piece: piece.series.id) for pieces in records.values()]


def by_series(segments: Sequence[Segment], ratios: Sequence[float], group: str = "") -> Parts:
    """Assign whole records to the parts, in the given order.

    Args:
        group: regular expression; series whose ids agree in what it matches, or in its first group
            in parentheses, come into the same part. Then the ratios are those of the groups.
    Raises: DataError if a part with a ratio above 0 stays empty; ConfigError if the expression is
        invalid or does not match an id.
    """
    groups: dict[str, list[Segment]] = {}
    for pieces in by_record(segments):
        first = pieces[0].series
        key = _group_of(first.id, group) if group else first.record or first.id
        groups.setdefault(key, []).extend(pieces)
    sizes = part_sizes(len(groups), ratios)
    if any(size == 0 and ratio > 0 for size, ratio in zip(sizes, ratios, strict=True)):
        what = f"{len(groups)} groups of samples" if group else f"{len(groups)} samples"
        raise DataError(
            f"{what} are too few for training, validation and test; add samples, or split each of "
            "them by time with --by time"
        )
    members = list(groups.values())
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [
        [segment for group in members[end - size : end] for segment in group]
        for size, end in zip(sizes, ends, strict=True)
    ]


def _group_of(series_id: str, pattern: str) -> str:
    """What a pattern matches in an id. Raises ConfigError."""
    try:
        found = re.search(pattern, series_id)
    except re.error as error:
        raise ConfigError(f"group = '{pattern}': is not a regular expression ({error})") from None
    if found is None:
        raise ConfigError(
            f"group = '{pattern}': does not match the id of sample {series_id}; correct the "
            "regular expression"
        )
    return str(found[1] if found.re.groups else found[0])


def by_time(segments: Sequence[Segment], ratios: Sequence[float], gap: int) -> Parts:
    """Cut every record into consecutive ranges: training first, test last.

    Args:
        gap: number of frames to leave out between two ranges.
    Raises: DataError if a record has no frame left for a part.
    """
    parts: Parts = [[], [], []]
    used = sum(ratio > 0 for ratio in ratios)
    for pieces in by_record(segments):
        name = pieces[0].series.record or pieces[0].series.id
        total = sum(len(piece.frames) for piece in pieces)
        num_frames = total - gap * (used - 1)
        sizes = part_sizes(max(num_frames, 0), ratios)
        if num_frames < used:
            raise DataError(
                f"sample {name}: has {total} frames, too few for {used} parts with gaps of {gap} "
                "frames; lower --gap, or use --by series"
            )
        first = 0
        for part, size in zip(parts, sizes, strict=True):
            if size:
                part += _range_of(pieces, first, first + size)
                first += size + gap
    return parts


def _range_of(pieces: Sequence[Segment], first: int, last: int) -> list[Segment]:
    """The frames first..last-1 of pieces that follow each other."""
    found, before = [], 0
    for piece in pieces:
        length = len(piece.frames)
        low, high = max(first - before, 0), min(last - before, length)
        if low < high:
            found.append(piece.cut(low, high))
        before += length
    return found


def as_given(
    segments: Sequence[Segment], given: Mapping[str, Sequence[str]], ratios: Sequence[float]
) -> Parts:
    """Keep the parts of a data set that is split already.

    Without a validation part, the training series are divided between training and validation.
    """
    by_id = {segment.series.id: segment for segment in segments}
    train, validation, test = (
        [by_id[series_id] for series_id in given.get(part, ()) if series_id in by_id]
        for part in ("train", "validation", "test")
    )
    if not validation:
        share = ratios[1] / (ratios[0] + ratios[1])
        train, validation, _ = by_series(train, [1 - share, share, 0.0])
    return [train, validation, test]
