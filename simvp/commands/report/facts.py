"""What a report says about data, network and settings, and how to reproduce the run."""

import shlex
from collections.abc import Sequence
from dataclasses import fields
from math import nan
from typing import Any

from simvp import __version__
from simvp.commands.frame_labels import frame_interval
from simvp.commands.report.reported_run import ReportedRun, SplitOfRun
from simvp.config import Config, describe, section_types
from simvp.data.series import Options
from simvp.data.split_records import PARTS
from simvp.data.windows import window_starts
from simvp.engine.cost import network_cost
from simvp.engine.recipes import resolve_recipe, training_window
from simvp.engine.versions import describe_versions, read_versions
from simvp.errors import UserError
from simvp.progress import Table

# Sections of the config that do not affect the forecasts.
_WITHOUT_EFFECT = ("run", "launch", "viz")


def summary(run: ReportedRun, split: SplitOfRun) -> str:
    """What was trained on what."""
    data, settings = run.data, run.config.data
    card = data.card
    labels = ", ".join(card.label(name) for name in data.forecast_channels)
    if labels[:1].isdecimal():  # files that do not name their channels
        labels = f"channels {labels}"
    name = f"{card.name}: " if card.name else ""
    trained = _num_windows(run, split, "train")
    on = f", trained on {trained} windows" if trained else ""
    receives = f"receives {_frames(settings.pre_seq_length)}"
    grid = f"{data.shape[1]}x{data.shape[2]} cells"
    return (
        f"{_network(run.config.model.model_type, _members(run))} that {receives} and forecasts the "
        f"next {settings.aft_seq_length}{on} and tested on {len(run.metrics['samples'])}. "
        f"{name}{labels}, {grid}"
        + (f", {interval} between frames." if (interval := frame_interval(data)) else ".")
    )


def _network(model_type: str, members: int) -> str:
    is_unet = model_type == "unet"
    name, kind = ("U-Net", "") if is_unet else ("SimVP network", f" ({model_type})")
    return f"An ensemble of {members} {name}s{kind}" if members else f"A {name}{kind}"


def _frames(count: int) -> str:
    return f"{count} frame{'s' * (count > 1)}"


def facts(run: ReportedRun, split: SplitOfRun) -> list[tuple[str, str]]:
    """Facts about network, training and test."""
    config, data, count = run.config, run.data, _members(run)
    found = [
        ("Folder of the run", str(run.folder.path)),
        ("Network", f"{config.model.model_type}{_size(run)}" + f", {count} members" * (count > 0)),
        ("Precision", f"training {config.train.precision}, test {config.metrics.precision}"),
        ("Boundary (y, x)", config.model.boundary),
        ("Augmentation", config.train.augment),
    ]
    if run.history:
        found.append(("Epochs", f"{run.history[-1]['epoch']:.0f} of {config.train.epochs}"))
        # Epochs that an earlier version trained have no time.
        seconds = [row["seconds"] for row in run.history if row.get("seconds", nan) >= 0]
        if seconds:
            timed, epochs = len(seconds), len(run.history)
            some = f" for {timed} of {epochs} epochs" if timed < epochs else ""
            what = "Training time" + " of the first member" * (count > 0)
            found.append((what, _duration(sum(seconds)) + some))
    found.append(("Versions", describe_versions(read_versions(run.folder))))
    if data.inputs:
        found.append(("Channels that are inputs only", ", ".join(data.inputs)))
    found += [
        ("Data", str(config.data.path)),
        ("Split file", str(run.metrics.get("split") or config.data.split)),
        ("Scored weights", _weights(run)),
    ]
    if run.metrics.get("part"):
        found.append(("Scored part", str(run.metrics["part"])))
    if split.problems:
        found.append(("Not available", "; ".join(split.problems)))
    return found


def _size(run: ReportedRun) -> str:
    try:
        return f", {network_cost(run.config, run.data).parameters / 1e6:.2f} M parameters"
    except UserError:  # settings of an earlier version
        return ""


def _members(run: ReportedRun) -> int:
    """How many networks were scored together; 0 if it was a single one."""
    return len(run.metrics.get("members") or ())


def _weights(run: ReportedRun) -> str:
    files = run.metrics.get("members") or [run.metrics]
    return ", ".join(str(file.get("weights", "")) for file in files)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def data(run: ReportedRun, split: SplitOfRun) -> list[tuple[str, Table]]:
    """Tables of the channels and of the parts."""
    found = [("Channels", _channel_table(run, split))]
    if split.split is not None:
        rows = [
            [
                name,
                str(len(segments)),
                str(sum(len(segment.frames) for segment in segments)),
                str(_num_windows(run, split, name)),
            ]
            for name, segments in split.split.parts.items()
        ]
        found.append(("Parts", Table(["part", "segments", "frames", "windows"], rows)))
    return found


def _channel_table(run: ReportedRun, split: SplitOfRun) -> Table:
    """A row for each channel: its scaling, and its values in the training part if known."""
    description = run.data
    header = ["channel", "unit", "scaled to [0, 1]"]
    statistics = split.split.statistics if split.split is not None else None
    if statistics is not None:
        header += ["minimum", "maximum", "mean", "std", "missing"]
    rows = []
    for i, name in enumerate(description.channels):
        low, high = description.scaling.low[i], description.scaling.high[i]
        row = [
            description.card.name_of(name) + " (input)" * (name in description.inputs),
            description.card.channel(name).unit,
            f"{low:.4g} to {high:.4g}",
        ]
        if statistics is not None:
            values = (statistics.low, statistics.high, statistics.mean, statistics.std)
            row += [f"{column[i]:.4g}" for column in values]
            missing = statistics.missing[i] if statistics.missing else 0.0
            row.append(f"{100 * missing:.2g} %")
        rows.append(row)
    return Table(header, rows)


def _num_windows(run: ReportedRun, split: SplitOfRun, part: str) -> int:
    """Number of windows of a part; 0 if the data are not available."""
    if split.split is None or part not in PARTS:
        return 0
    settings = run.config.data
    window, stride = settings.pre_seq_length + settings.aft_seq_length, settings.aft_seq_length
    if part == "train":
        window, stride = training_window(resolve_recipe(run.config, None)), settings.stride
    segments = split.split.parts[part]
    return sum(len(window_starts(len(segment.frames), window, stride)) for segment in segments)


def settings(config: Config) -> Table:
    """The settings that differ from their defaults."""
    rows = [
        [key, _text(value), _text(default), description]
        for key, value, default, description in _changed(config)
    ]
    return Table(["setting", "value", "default", "meaning"], rows)


def _changed(config: Config) -> list[tuple[str, Any, Any, str]]:
    """Key, value, default and description of settings that differ from their defaults."""
    return [
        (f"{section}.{key}", value, field.default, describe(field))
        for section, kind in section_types().items()
        if section not in _WITHOUT_EFFECT
        for key, field in kind.model_fields.items()
        for value in [getattr(getattr(config, section), key)]
        if value != field.default and f"{section}.{key}" not in ("data.split", "data.path")
    ]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def commands(run: ReportedRun, split: SplitOfRun, name_option: str) -> list[str]:
    """Commands that make the split, the run and its scores again."""
    config = run.config
    words = ["simvp", "split", config.data.path]
    options = split.split.data.options if split.split is not None else run.data.options
    for option in fields(Options):
        value = getattr(options, option.name)
        if value:
            text = value if isinstance(value, str) else ",".join(value)
            words += [f"--{option.name}", text]
    train = ["simvp", "train"]
    if config.data.path != type(config.data)().path:
        train += ["--data-path", config.data.path]
    if config.data.split:
        train += ["--data", config.data.split]
    for key, value, _, _ in _changed(config):
        section, _, name = key.partition(".")
        if section in ("split", "simulate") or key == "train.minutes":  # the epochs are given
            continue
        train += ["--set", f"{key}={_text(value)}" if value != "" else f'{key}=""']
    return [
        _in_lines(words),
        _in_lines(train) + name_option,
        f"simvp test{name_option}",
        f"simvp viz --report{name_option}",
    ]


def _in_lines(words: Sequence[str]) -> str:
    """A command for a shell, an option on each line if it is long."""
    whole = shlex.join(words)
    return whole if len(whole) <= 100 else whole.replace(" --", " \\\n    --")


def created() -> str:
    """With what the page was made."""
    return f"Page made by simvp {__version__}. It is self-contained and works offline."
