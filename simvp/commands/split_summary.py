"""What `simvp split` reports: the data, their channels, and the parts."""

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from simvp.commands.hints import data_option
from simvp.config import Config
from simvp.config.sections import DataSection
from simvp.data.parts import Parts
from simvp.data.scaling import Scaling, Statistics
from simvp.data.segments import Segment
from simvp.data.series import Source
from simvp.data.split_records import PARTS
from simvp.data.windows import num_unused, window_starts
from simvp.progress import Table, plural

# Common ones; the last two are the defaults of netCDF and GDAL for real numbers.
_FILL_VALUES = np.array(
    [-999, -9999, -99999, -32767, -32768, 1e20, -1e20, 1e30, -1e30, 1e36, 9.96921e36, -3.4028235e38]
)

# What a step leaves out, and the segments that are left after it.
Stage = tuple[str, Sequence[Segment]]


def lines(
    source: Source,
    parts: Parts,
    stages: Sequence[Stage],
    statistics: Statistics,
    scaling: Scaling,
    how: str,
    settings: DataSection,
) -> list[str | Table]:
    """The whole summary.

    Args:
        stages: the steps from all frames to those of the parts.
        statistics: of the training part.
        how: how the parts were chosen.
    """
    return [
        *_describe(source, parts),
        *_left_out(source, stages),
        "",
        "statistics of the training part:",
        _channels(source, statistics, scaling),
        *_warnings(source, statistics, scaling),
        "",
        _parts(parts, settings),
        *_short_parts(parts, settings),
        f"split: {how}; windows of {settings.pre_seq_length} input and {settings.aft_seq_length} "
        "forecast frames",
    ]


def next_command(config: Config, parts: Parts, file: Path | None) -> str:
    """The command that trains on the split; empty if every window would be too long.

    Args:
        file: the split file, if it is not in the folder of the data.
    """
    window = config.data.pre_seq_length + config.data.aft_seq_length
    longest = min(max(len(segment.frames) for segment in part) for part in parts if part)
    half = longest // 2
    if not half:
        return ""
    is_needed = longest < window
    lengths = f" --pre-seq-length {half} --aft-seq-length {half}" if is_needed else ""
    split = f" --data {shlex.quote(str(file))}" if file else data_option(config)
    return f"simvp train{split}{lengths}"


def _describe(source: Source, parts: Parts) -> list[str]:
    """What the data are, and what was assumed about them."""
    series = {segment.series.id: segment.series for part in parts for segment in part}
    lengths = sorted({item.length for item in series.values()})
    num_frames = f"{lengths[0]}" + (f" to {lengths[-1]}" if len(lengths) > 1 else "")
    _, height, width = source.shape
    step = f", {source.card.time_step} apart" if source.card.time_step else ""
    every = max(abs(segment.step) for part in parts for segment in part)
    step += f", one in {every} used" if every > 1 else ""
    found = [
        f"{source.kind}: {plural(len(series), 'sample')} of {num_frames} frames"
        f"{step}, {height}x{width}"
    ]
    if len(lengths) > 1:
        shortest = min(series.values(), key=lambda item: item.length)
        found.append(f"the shortest sample is {shortest.id} with {shortest.length} frames")
    found += [f"note: {assumption}" for assumption in source.assumptions]
    return found


def _left_out(source: Source, stages: Sequence[Stage]) -> list[str]:
    """How many samples, and frames of the others, are in no part, and why."""
    used = {segment.series.id: segment.series for segment in stages[-1][1]}
    frames = [sum(item.length for item in used.values())]
    samples = [len(source.series)]
    for _, segments in stages:
        frames.append(sum(len(s.frames) for s in segments if s.series.id in used))
        samples.append(len({s.series.id for s in segments}))
    found = []
    for what, counts in (
        (" frames of these samples", frames),
        (f" of {samples[0]} samples", samples),
    ):
        steps = zip(stages, pairwise(counts), strict=True)
        causes = [
            f"{before - after} {cause}" for (cause, _), (before, after) in steps if before > after
        ]
        if causes:
            number = counts[0] - counts[-1]
            found.append(f"in no part: {number}{what} ({', '.join(causes)})")
    return found


def _channels(source: Source, statistics: Statistics, scaling: Scaling) -> Table:
    """A row for each channel: its values in the training part, and the scaling."""
    rows = []
    for i, name in enumerate(source.channels):
        card = source.card.channel(name)
        shown = source.card.name_of(name) + " (input)" * (name in source.inputs)
        values = (statistics.low, statistics.high, statistics.mean, statistics.std)
        rows.append(
            [
                shown,
                card.unit,
                *(f"{column[i]:.4g}" for column in values),
                f"{100 * statistics.missing[i]:.2g} %" if statistics.missing[i] else "0",
                f"{scaling.low[i]:.4g} to {scaling.high[i]:.4g}",
            ]
        )
    header = ["channel", "unit", "minimum", "maximum", "mean", "std", "missing", "scaled"]
    return Table(header, rows)


def _warnings(source: Source, statistics: Statistics, scaling: Scaling) -> list[str]:
    """Channels that use little of their scale, or have what looks like a fill value."""
    unused = [
        f"warning: {name} uses less than 5 % of the range that is scaled to [0, 1]; give low and "
        "high in the data card"
        for i, name in enumerate(source.channels)
        if statistics.high[i] - statistics.low[i] < 0.05 * scaling.span[i]
    ]
    filled = [
        f"warning: {name}: the {what} of {values[i]:g} looks like a fill value; store missing "
        "values as NaN"
        for i, name in enumerate(source.channels)
        for what, values in (("minimum", statistics.low), ("maximum", statistics.high))
        if np.isclose(values[i], _FILL_VALUES, rtol=1e-6, atol=0).any()
    ]
    return unused + filled


def _short_parts(parts: Parts, settings: DataSection) -> list[str]:
    """Parts that are too short for a window, although others are not.

    If all are, the next command has shorter windows anyway.
    """
    window = settings.pre_seq_length + settings.aft_seq_length
    longest = {
        name: max((len(segment.frames) for segment in part), default=0)
        for name, part in zip(PARTS, parts, strict=True)
    }
    can_be_shorter = min(filter(None, longest.values())) > 1
    remedy = "the next command has" if can_be_shorter else "use longer samples, other parts or"
    if max(longest.values()) < window and can_be_shorter:
        return []
    return [
        f"warning: the {name} part is too short: a window has {window} frames, its longest segment "
        f"{length}; {remedy} shorter windows"
        for name, length in longest.items()
        if 0 < length < window
    ]


def _parts(parts: Parts, settings: DataSection) -> Table:
    """A row for each part, with windows of the default or configured length."""
    window, aft = settings.pre_seq_length + settings.aft_seq_length, settings.aft_seq_length
    rows = []
    for name, part, stride in zip(PARTS, parts, (settings.stride, aft, aft), strict=True):
        lengths = [len(segment.frames) for segment in part]
        counts = [len(window_starts(length, window, stride)) for length in lengths]
        unused = [num_unused(length, window, stride) for length in lengths]
        rows.append([name, *(str(n) for n in (len(part), sum(lengths), sum(counts), sum(unused)))])
    return Table(["part", "segments", "frames", "windows", "unused frames"], rows)
