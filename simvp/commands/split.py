"""`simvp split`: read all frames once and assign series to training, validation and test."""

from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from simvp.commands.hints import data_option
from simvp.config import Config
from simvp.config.sections import SplitSection
from simvp.data.card import card_path, check_square, is_folder
from simvp.data.parts import Parts, as_given, by_series, by_time
from simvp.data.scaling import Scaling, Statistics, StatisticsAccumulator, choose_scaling
from simvp.data.series import Options, Segment, Series, Source, check_finite, fingerprint
from simvp.data.source import open_with
from simvp.data.split_records import PARTS, PartRecord, SegmentRecord, SourceRecord, SplitRecord
from simvp.data.windows import window_starts
from simvp.errors import ConfigError, DataError
from simvp.metrics.similarity import SSIM_WINDOW
from simvp.progress import Report, Summary


def run(config: Config, report: Report) -> Summary:
    """Write the split file of a data set. Raises DataError or ConfigError, writing nothing."""
    path, settings = Path(config.data.path), config.split
    options = _options(settings)
    source = open_with(path, options)
    if min(source.shape[1:]) < SSIM_WINDOW:
        raise DataError(
            f"{path}: the frames are {source.shape[1]}x{source.shape[2]} cells with "
            f"{source.shape[0]} channels; at least {SSIM_WINDOW}x{SSIM_WINDOW} are needed, the "
            "window of SSIM. If the channels come last, use --axes yxc"
        )
    check_square(source.card.symmetries, source.shape, str(card_path(path)))
    rest = max(0.0, round(1 - settings.train_ratio - settings.val_ratio, 9))
    ratios = [settings.train_ratio, settings.val_ratio, rest]
    parts, how = _choose_parts(source, settings, ratios)
    parts, statistics = _read_all(source, parts, report)
    scaling = _choose_scaling(source, statistics)
    train, validation, test = (
        PartRecord(ratio=ratio, segments=[_as_record(segment) for segment in part])
        for ratio, part in zip(ratios, parts, strict=True)
    )
    record = SplitRecord(
        source=SourceRecord(
            kind=source.kind,
            path="." if is_folder(path) else path.name,
            stored=source.card.stored_as(),
            **asdict(options),
        ),
        inputs=source.inputs,
        channels=source.channels,
        shape=source.shape,
        scaling=scaling,
        statistics=statistics,
        train=train,
        validation=validation,
        test=test,
    )
    file = record.write(path if is_folder(path) else path.parent)
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    return Summary(
        [
            *_describe(source, parts),
            *_describe_channels(source, statistics, scaling),
            *_describe_parts(parts, how, pre + aft, aft),
            f"wrote {file}",
        ],
        f"simvp train{data_option(config)}{_length_options(parts, pre + aft)}",
    )


def _options(settings: SplitSection) -> Options:
    """How to read the data set."""
    lists = {
        name: tuple(text.split(",")) if text else ()
        for name in ("variables", "inputs", "static")
        for text in [getattr(settings, name)]
    }
    return Options(
        variables=lists["variables"] or None,
        inputs=lists["inputs"],
        static=lists["static"],
        axes=settings.axes or None,
        level=settings.level or None,
        crop=settings.crop or None,
        resize=settings.resize or None,
    )


def _length_options(parts: Parts, window: int) -> str:
    """Options for shorter windows, if the samples are too short for the configured ones."""
    longest = min(max(len(segment.frames) for segment in part) for part in parts if part)
    half = longest // 2
    is_needed = longest < window and half > 0
    return f" --pre-seq-length {half} --aft-seq-length {half}" if is_needed else ""


def _choose_parts(source: Source, settings: SplitSection, ratios: list[float]) -> tuple[Parts, str]:
    """The segments of each part, and how they were assigned."""
    order = np.random.default_rng(settings.seed).permutation(len(source.series)).tolist()
    if settings.samples > len(order):
        raise ConfigError(
            f"split.samples = {settings.samples}: {source.path} contains {len(order)}; lower it"
        )
    segments = [
        choose_segment(source.series[i], settings, np.random.default_rng([settings.seed, number]))
        for number, i in enumerate(order[: settings.samples or len(order)])
    ]
    enough = len(segments) >= sum(ratio > 0 for ratio in ratios)
    if settings.by == "auto" and source.parts:
        return as_given(segments, source.parts, ratios), "the parts of the data set are kept"
    if settings.by == "series" or settings.by == "auto" and enough:
        return by_series(segments, ratios), "whole samples, at random"
    return by_time(segments, ratios, settings.gap), "by time, in the order train, validation, test"


def _as_record(segment: Segment) -> SegmentRecord:
    return SegmentRecord(
        series=segment.series.id,
        start=segment.start,
        stop=segment.stop,
        step=segment.step,
        fingerprint=segment.fingerprint,
    )


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
    frames = range(first, first + length, settings.every)
    if settings.init_final_only:
        if len(frames) < 2:
            raise DataError(
                f"sample {series.id}: --init-final-only needs 2 frames or more, found {len(frames)}"
            )
        frames = frames[:: len(frames) - 1]
    if settings.reverse:
        frames = frames[::-1]
    return Segment(series, frames.start, frames.stop, frames.step)


def _read_all(source: Source, parts: Parts, report: Report) -> tuple[Parts, Statistics]:
    """Check every frame: the segments with fingerprints, and statistics of the training part."""
    statistics = StatisticsAccumulator(len(source.channels))
    checked: Parts = [[], [], []]
    with report.progress("reading", sum(map(len, parts))) as advance:
        for part, target in zip(parts, checked, strict=True):
            for segment in part:
                target += _read(source, segment, statistics if part is parts[0] else None)
                advance(1, "")
    scaling = source.card.stored_scaling(source.channels)
    result = statistics.result()
    for name, low in zip(source.channels, result.low, strict=True):
        if not np.isfinite(low):
            raise DataError(
                f"{source.path}: {name} has no values in the training part; leave it out"
            )
    return checked, result if scaling is None else result.to_physical(scaling)


def _read(
    source: Source, segment: Segment, statistics: StatisticsAccumulator | None
) -> list[Segment]:
    """Check the frames of a segment; return it with its fingerprint.

    It is cut where frames are missing altogether, so that no window has to bridge them.
    """
    is_implied = source.card.stored is None and source.card.stored_as() == "scaled"
    digits, position = "", 0
    empty: list[int] = []
    for frames in segment.pieces():
        check_finite(segment, frames, position, may_miss=True)
        is_empty = np.isnan(frames).all(axis=(1, 2, 3))
        empty += (position + np.flatnonzero(is_empty)).tolist()
        known = frames[~is_empty]
        if is_implied and len(known) and (np.nanmin(known) < 0 or np.nanmax(known) > 1):
            raise _not_scaled(source, segment, float(np.nanmin(known)), float(np.nanmax(known)))
        if statistics is not None and len(known):
            statistics.add(known)
        digits, position = digits + fingerprint(frames), position + len(frames)
    checked = replace(segment, fingerprint=digits)
    bounds = pairwise([-1, *empty, position])
    return [checked.cut(before + 1, after) for before, after in bounds if after > before + 1]


def _not_scaled(source: Source, segment: Segment, low: float, high: float) -> DataError:
    return DataError(
        f"{segment.series.id}: has values from {low:g} to {high:g}, but low and high at the top of "
        f"{card_path(source.path)} mean that all values are scaled to [0, 1]; add stored = "
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


def _describe(source: Source, parts: Parts) -> list[str]:
    """What the data are, what was assumed about them, and how many frames are not used."""
    series = {segment.series.id: segment.series for part in parts for segment in part}
    lengths = sorted({item.length for item in series.values()})
    num_frames = f"{lengths[0]}" + (f" to {lengths[-1]}" if len(lengths) > 1 else "")
    _, height, width = source.shape
    lines = [
        f"{source.kind}: {len(series)} sample{'s' * (len(series) > 1)} of {num_frames} frames, "
        f"{height}x{width}",
        *(f"assumed: {assumption}" for assumption in source.assumptions),
    ]
    used = sum(len(segment.frames) for part in parts for segment in part)
    unused = sum(item.length for item in series.values()) - used
    if unused:
        lines.append(f"{unused} frames of these samples are not used")
    return lines


def _describe_parts(parts: Parts, how: str, window: int, aft: int) -> list[str]:
    """How much each part has, with windows of the default or configured length."""
    lines = [f"split: {how}; windows of {window} frames"]
    for name, part, stride in zip(PARTS, parts, (1, aft, aft), strict=True):
        lengths = [len(segment.frames) for segment in part]
        num_windows = sum(len(window_starts(length, window, stride)) for length in lengths)
        lines.append(
            f"{name:10} {len(part):6} segments {sum(lengths):8} frames {num_windows:8} windows"
        )
    return lines


def _describe_channels(source: Source, statistics: Statistics, scaling: Scaling) -> list[str]:
    """A line for each channel: its values in the training part, and the scaling."""
    lines = []
    for i, name in enumerate(source.channels):
        if statistics.high[i] - statistics.low[i] < 0.05 * scaling.span[i]:
            lines.append(
                f"warning: {name} uses less than 5 % of the range that is scaled to [0, 1]; give "
                "low and high in the data card"
            )
        missing = f"{100 * statistics.missing[i]:.2g} % missing; " if statistics.missing[i] else ""
        lines.append(
            f"{source.card.label(name)}: {statistics.low[i]:.4g} to "
            f"{statistics.high[i]:.4g}, mean {statistics.mean[i]:.4g}, std "
            f"{statistics.std[i]:.4g} in training; {missing}[{scaling.low[i]:.4g}, "
            f"{scaling.high[i]:.4g}] is scaled to [0, 1]"
        )
    return lines
