"""`simvp split`: read all frames once and assign series to training, validation and test."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from simvp.commands import split_summary
from simvp.config import Config
from simvp.config.sections import SplitSection
from simvp.data.card import ChannelCard, card_path, card_to_toml, check_square, folder_of
from simvp.data.cf_files import opened
from simvp.data.locations import Location, Url, as_location
from simvp.data.parts import Parts, as_given, by_record, by_series, by_time
from simvp.data.parts_file import listed
from simvp.data.scaling import Scaling, Statistics, choose_scaling
from simvp.data.scan import Scan, scan
from simvp.data.segments import Segment
from simvp.data.selection import SELECTING, choose_segments
from simvp.data.series import Options, Source
from simvp.data.source import open_with
from simvp.data.split_records import PartRecord, SegmentRecord, SourceRecord, SplitRecord
from simvp.data.zarr_chunks import absent_chunks
from simvp.errors import ConfigError, DataError
from simvp.physics import SMALLEST_GRID
from simvp.progress import Report, Summary
from simvp.storage.files import check_writable, publish_text, remove_abandoned


def run(config: Config, report: Report, *, output: str = "", write_card: bool = False) -> Summary:
    """Write the split file of a data set.

    Args:
        output: folder of the split file; empty for the folder of the data.
        write_card: also write a data card with what is known of the data.
    Raises: DataError, ConfigError or OutputError, writing nothing.
    """
    path = as_location(config.data.path, Path(output) if output else None)
    settings = config.split
    options = _options(settings)
    source = open_with(path, options)
    _check(source, path, write_card=write_card)
    _check_scale(source, settings)
    rest = max(0.0, round(1 - settings.train_ratio - settings.val_ratio, 9))
    ratios = [settings.train_ratio, settings.val_ratio, rest]
    segments = choose_segments(source.series, settings)
    parts, how = _choose_parts(source, segments, settings, ratios)
    folder = Path(output) if output else folder_of(path)
    check_writable(folder)
    found = _scan(source, parts, report)
    stages = _stages(settings, segments, parts, found.parts)
    parts, statistics = found.parts, found.statistics
    scaling, warnings = _choose_scaling(source, statistics, settings)
    train, validation, test = (
        PartRecord(ratio=ratio, segments=[_as_record(segment) for segment in part])
        for ratio, part in zip(ratios, parts, strict=True)
    )
    record = SplitRecord(
        source=_source_record(source, options, folder),
        channels=source.channels,
        shape=source.shape,
        inputs=source.inputs,
        scaling=scaling,
        statistics=statistics,
        train=train,
        validation=validation,
        test=test,
    )
    remove_abandoned(folder)
    written = [record.write(folder)]
    if write_card:
        written.append(_write_card(source, scaling))
    lines = split_summary.lines(source, parts, stages, statistics, scaling, how, config.data)
    lines += [*warnings, *_remote_notes(source), *found.copies.warnings()]
    lines += [f"wrote {file}" for file in written]
    split_file = written[0] if output else None
    return Summary(lines, split_summary.next_command(config, parts, split_file))


def _source_record(source: Source, options: Options, folder: Path) -> SourceRecord:
    """How to open the data from a split file in a folder."""
    path = source.path
    if isinstance(path, Path):
        path = Path(os.path.relpath(path, folder))
    text = path.as_posix() if isinstance(path, Path) else path.text
    stored = source.card.stored_as()
    return SourceRecord(kind=source.kind, path=text, stored=stored, **asdict(options))


def _remote_notes(source: Source) -> list[str]:
    """Lines about data at a URL, after they have been read."""
    if not isinstance(source.path, Url):
        return []
    absent = absent_chunks(source.path, opened(source.path), source.variables)
    return [
        *(f"warning: {line}" for line in absent),
        f"the data are at a URL, so their split file and data card are in "
        f"{source.path.folder.resolve()}; --output chooses another folder",
    ]


def _check(source: Source, path: Location, *, write_card: bool) -> None:
    """Raises DataError or ConfigError if the frames do not suit, or a card would be replaced."""
    if min(source.shape[1:]) < SMALLEST_GRID:
        raise DataError(
            f"{path}: the frames are {source.shape[1]}x{source.shape[2]} cells with "
            f"{source.shape[0]} channels; at least {SMALLEST_GRID}x{SMALLEST_GRID} are needed, the "
            "window of SSIM. If the channels come last, use --axes yxc"
        )
    check_square(source.card.symmetries, source.shape, str(card_path(path)))
    if write_card and card_path(path).exists():
        raise ConfigError(
            f"{card_path(path)}: exists already; edit it, or move it before --write-card"
        )


def _check_scale(source: Source, settings: SplitSection) -> None:
    """Raises ConfigError if the quantiles are asked for, but the data card gives all limits."""
    cards = [source.card.channel(name) for name in source.channels]
    is_given = source.card.stored_as() == "scaled" or all(
        card.low is not None and card.high is not None for card in cards
    )
    if settings.scale == "quantile" and is_given:
        raise ConfigError(
            f"split.scale = 'quantile': {card_path(source.path)} gives the scaling of every "
            "channel; remove low, high and stored from it, or leave out --scale"
        )


def _write_card(source: Source, scaling: Scaling) -> Path:
    """Write what is known of the data to their data card. Raises OutputError."""
    channels = {
        name: ChannelCard(
            quantity=source.card.channel(name).quantity,
            unit=source.card.channel(name).unit,
            low=low,
            high=high,
        )
        for name, low, high in zip(source.channels, scaling.low, scaling.high, strict=True)
    }
    path = card_path(source.path)
    publish_text(path, card_to_toml(source.card.model_copy(update={"channels": channels})))
    return path


def _options(settings: SplitSection) -> Options:
    """How to read the data set."""
    lists = {
        name: tuple(part.strip() for part in text.split(",")) if text else ()
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


def _stages(
    settings: SplitSection, segments: Sequence[Segment], assigned: Parts, kept: Parts
) -> list[split_summary.Stage]:
    """The segments that are left after each step, with what the step leaves out."""
    defaults = SplitSection()
    options = [
        f"--{name.replace('_', '-')}"
        for name in (*SELECTING, "samples")
        if getattr(settings, name) != getattr(defaults, name)
    ]
    not_assigned = "in none of the parts of the data set"
    if settings.parts:
        not_assigned = f"not listed in {settings.parts}"
    elif settings.gap:
        not_assigned = f"left out by --gap {settings.gap}"
    return [
        (f"left out by {', '.join(options)}", segments),
        (not_assigned, [segment for part in assigned for segment in part]),
        ("without any value", [segment for part in kept for segment in part]),
    ]


def _choose_parts(
    source: Source, segments: list[Segment], settings: SplitSection, ratios: list[float]
) -> tuple[Parts, str]:
    """The segments of each part, and how they were assigned."""
    enough = len(by_record(segments)) >= sum(ratio > 0 for ratio in ratios)
    is_given = settings.by == "auto" and bool(source.parts) and not settings.group
    is_by_time = settings.by == "time" or (settings.by == "auto" and not enough)
    if is_by_time and not is_given and not settings.group and not settings.parts:
        parts = by_time(segments, ratios, settings.gap)
        return parts, "by time, in the order train, validation, test"
    if settings.gap:
        raise ConfigError(
            f"split.gap = {settings.gap}: samples are not divided in time; use --by time as well, "
            "or leave out --gap"
        )
    if settings.parts:
        return listed(Path(settings.parts), segments, ratios), f"as {settings.parts} lists"
    if is_given:
        return as_given(segments, source.parts, ratios), "the parts of the data set are kept"
    how = f"samples that share '{settings.group}'" if settings.group else "samples"
    return by_series(segments, ratios, settings.group), f"whole {how}, at random"


def _as_record(segment: Segment) -> SegmentRecord:
    return SegmentRecord(
        series=segment.series.id,
        start=segment.start,
        stop=segment.stop,
        step=segment.step,
        fingerprint=segment.fingerprint,
    )


def _scan(source: Source, parts: Parts, report: Report) -> Scan:
    """Read every frame; statistics are in physical units. Raises DataError."""
    is_implied = source.card.stored is None and source.card.stored_as() == "scaled"
    num_frames = sum(len(segment.frames) for part in parts for segment in part)
    with report.progress("reading", num_frames) as advance:
        card = card_path(source.path) if is_implied else None
        num_forecast = len(source.channels) - len(source.inputs)
        found = scan(parts, num_forecast, card, advance)
    for name, low in zip(source.channels, found.statistics.low, strict=True):
        if not np.isfinite(low):
            raise DataError(
                f"{source.path}: {name} has no values in the training part; leave it out"
            )
    scaling = source.card.stored_scaling(source.channels)
    if scaling is None:
        return found
    return replace(found, statistics=found.statistics.to_physical(scaling))


def _choose_scaling(
    source: Source, statistics: Statistics, settings: SplitSection
) -> tuple[Scaling, list[str]]:
    """The scaling of the channels, and warnings about it."""
    stored = source.card.stored_scaling(source.channels)
    if stored is not None:
        return stored, []
    cards = [source.card.channel(name) for name in source.channels]
    return choose_scaling(
        source.channels,
        [card.low for card in cards],
        [card.high for card in cards],
        statistics,
        is_8_bit=source.is_8_bit,
        num_inputs=len(source.inputs),
        by_quantile=settings.scale == "quantile",
    )
