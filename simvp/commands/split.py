"""`simvp split`: read all frames once and assign series to training, validation and test."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from simvp.commands.hints import data_option
from simvp.config import Config
from simvp.config.sections import SplitSection
from simvp.data.card import CARD_NAME, check_square
from simvp.data.scaling import Scaling, Statistics, StatisticsAccumulator, choose_scaling
from simvp.data.series import Segment, Series, Source, as_fingerprint, check_finite
from simvp.data.source import open_source
from simvp.data.split_records import PARTS, PartRecord, SegmentRecord, SourceRecord, SplitRecord
from simvp.errors import ConfigError, DataError
from simvp.progress import Report, Summary


def run(config: Config, report: Report) -> Summary:
    """Write the split file of a data folder. Raises DataError or ConfigError, writing nothing."""
    folder, settings = Path(config.data.path), config.split
    source = open_source(folder)
    check_square(source.card.symmetries, source.shape, str(folder / CARD_NAME))
    order = np.random.default_rng(settings.seed).permutation(len(source.series)).tolist()
    if settings.samples > len(order):
        raise ConfigError(
            f"split.samples = {settings.samples}: {folder} holds {len(order)}; ask for fewer"
        )
    order = order[: settings.samples or len(order)]
    sizes = part_sizes(len(order), settings)
    segments = [
        choose_segment(source.series[i], settings, np.random.default_rng([settings.seed, number]))
        for number, i in enumerate(order)
    ]
    segments, statistics = _read_all(source, segments, sizes[0], report)
    starts = np.cumsum([0, *sizes])
    parts = [segments[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    scaling = _choose_scaling(source, statistics)
    rest = round(1 - settings.train_ratio - settings.val_ratio, 9)
    ratios = [settings.train_ratio, settings.val_ratio, rest]
    train, validation, test = (
        PartRecord(ratio=ratio, segments=[_as_record(segment) for segment in part])
        for ratio, part in zip(ratios, parts, strict=True)
    )
    record = SplitRecord(
        source=SourceRecord(kind=source.kind, path=".", stored=source.card.stored_as()),
        channels=source.channels,
        shape=source.shape,
        scaling=scaling,
        statistics=statistics,
        train=train,
        validation=validation,
        test=test,
    )
    path = record.write(folder)
    counts = ", ".join(f"{size} {name}" for size, name in zip(sizes, PARTS, strict=True))
    return Summary(
        [
            *_describe(source, segments),
            *_describe_channels(source, statistics, scaling),
            f"{counts} samples",
            f"wrote {path}",
        ],
        f"simvp train{data_option(config)}",
    )


def _as_record(segment: Segment) -> SegmentRecord:
    return SegmentRecord(
        series=segment.series.id,
        start=segment.start,
        stop=segment.stop,
        step=segment.step,
        fingerprint=segment.fingerprint,
    )


def part_sizes(count: int, settings: SplitSection) -> list[int]:
    """How many of `count` samples train, validate and test. Raises DataError if one has none."""
    train, val = round(count * settings.train_ratio), round(count * settings.val_ratio)
    test = count - train - val
    all_given = settings.train_ratio + settings.val_ratio > 1 - 1e-9
    if min(train, val) < 1 or test < (0 if all_given else 1):
        raise DataError(
            f"{count} samples split into {train} train, {val} validation and {max(test, 0)} test; "
            "each part needs at least one: add samples, or change --train-ratio and --val-ratio"
        )
    return [train, val, max(test, 0)]


def choose_segment(series: Series, settings: SplitSection, rng: np.random.Generator) -> Segment:
    """The frames of a series that the settings ask for, in the order of their use.

    Of 0..19 with total_length 5: start_index 0 gives 0 1 2 3 4, start_index 15 the last five,
    -1 any five in a row; then init_final_only keeps the first and the last of them, and reverse
    reverses their order. Raises DataError if there are too few.
    """
    first = max(settings.start_index, 0)
    length = settings.total_length or series.length - first
    if length < 1 or first + length > series.length:
        raise DataError(
            f"sample {series.id}: has {series.length} frames, but {length} from frame {first} on "
            "are requested; lower --total-length or --start-index, or complete the sample"
        )
    if settings.start_index == -1:
        first = int(rng.integers(series.length - length + 1))
    frames = range(first, first + length)
    if settings.init_final_only:
        if length < 2:
            raise DataError(
                f"sample {series.id}: --init-final-only needs 2 frames or more, found {length}"
            )
        frames = frames[:: length - 1]
    if settings.reverse:
        frames = frames[::-1]
    return Segment(series, frames.start, frames.stop, frames.step)


def _read_all(
    source: Source, segments: Sequence[Segment], num_training: int, report: Report
) -> tuple[list[Segment], Statistics]:
    """Check every frame: the segments with fingerprints, and the statistics of the first ones.

    Args:
        num_training: how many of the segments, from the first, belong to the training part.
    """
    checked, statistics = [], StatisticsAccumulator(len(source.channels))
    is_implied = source.card.stored is None and source.card.stored_as() == "scaled"
    with report.progress("reading", len(segments)) as advance:
        for number, segment in enumerate(segments):
            checksum, position = 0, 0
            for frames in segment.pieces():
                check_finite(segment, frames, position)
                if is_implied and (frames.min() < 0 or frames.max() > 1):
                    raise _not_scaled(source, segment, float(frames.min()), float(frames.max()))
                if number < num_training:
                    statistics.add(frames)
                checksum, position = zlib.crc32(frames.data, checksum), position + len(frames)
            checked.append(replace(segment, fingerprint=as_fingerprint(checksum)))
            advance(1, "")
    scaling = source.card.stored_scaling(source.channels)
    result = statistics.result()
    return checked, result if scaling is None else result.to_physical(scaling)


def _not_scaled(source: Source, segment: Segment, low: float, high: float) -> DataError:
    return DataError(
        f"{segment.series.id}: has values from {low:g} to {high:g}, but low and high at the top of "
        f"{source.path / CARD_NAME} mean that all values are scaled to [0, 1]; add stored = "
        '"physical" to it if the files hold physical values, or stored = "scaled" if the values '
        "beyond [0, 1] are right"
    )


def _choose_scaling(source: Source, statistics: Statistics) -> Scaling:
    cards = [source.card.channel(name) for name in source.channels]
    return source.card.stored_scaling(source.channels) or choose_scaling(
        [card.low for card in cards],
        [card.high for card in cards],
        statistics,
        is_8_bit=source.is_8_bit,
    )


def _describe(source: Source, segments: Sequence[Segment]) -> list[str]:
    """How many frames there are, and how many of them are not used."""
    lengths = sorted({len(segment.frames) for segment in segments})
    num_frames = f"{lengths[0]}" + (f" to {lengths[-1]}" if len(lengths) > 1 else "")
    _, height, width = source.shape
    lines = [f"{len(segments)} samples of {num_frames} frames, {height}x{width}, all values finite"]
    unused = sum(s.series.length - len(s.frames) for s in segments)
    if unused:
        lines.append(f"{unused} frames of these samples are not used, as requested")
    return lines


def _describe_channels(source: Source, statistics: Statistics, scaling: Scaling) -> list[str]:
    """A line for each channel: its values in the training part, and the scaling."""
    lines = []
    for i, name in enumerate(source.channels):
        lines.append(
            f"{source.card.label(name)}: {statistics.low[i]:.4g} to "
            f"{statistics.high[i]:.4g}, mean {statistics.mean[i]:.4g}, std "
            f"{statistics.std[i]:.4g} in training; [{scaling.low[i]:.4g}, "
            f"{scaling.high[i]:.4g}] is scaled to [0, 1]"
        )
    return lines
