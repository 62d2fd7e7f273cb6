"""The samples whose frames a report contains, their times and their coordinates."""

import math
from collections.abc import Iterator, Sequence

from simvp.commands.frame_labels import sample_times
from simvp.commands.report.reported_run import ReportedRun, SplitOfRun
from simvp.commands.report.scores import sample_names
from simvp.config import Config
from simvp.figures.report.contents import Coordinate, ViewedSample, Viewer

# Bytes of frames in a page, so that browsers open it quickly and mail servers accept it.
_LIMIT = 12_000_000
_BYTES_PER_VALUE = 4 * 4 / 3  # float32 in base64


def viewer(
    config: Config, runs: Sequence[ReportedRun], split: SplitOfRun
) -> tuple[Viewer, list[str]]:
    """The viewer, and remarks on what it leaves out."""
    first = runs[0]
    ranked = _ranked(first)
    frames = first.config.data.pre_seq_length + first.config.data.aft_seq_length * (1 + len(runs))
    channels = first.data.forecast_channels
    shape = first.data.shape[1:]
    stride, count = _fit(frames * len(channels), shape, len(ranked))
    chosen = _choose(len(ranked), count)
    names = sample_names(ranked)
    samples = []
    for rank in chosen:
        sample_id = ranked[rank]
        own = first.saved.read(sample_id)
        others = [run.saved.read_frames("preds", sample_id) for run in runs[1:]]
        label = _label(rank, len(ranked))
        times = sample_times(split.split, sample_id, len(own.inputs) + len(own.truth))
        forecasts = (own.forecast, *others)
        samples.append(
            ViewedSample(sample_id, names[rank], label, own.inputs, own.truth, forecasts, times)
        )
    card = first.data.card
    found = Viewer(
        samples=samples,
        runs=[run.name for run in runs],
        channels=[(card.name_of(name), card.channel(name).unit) for name in channels],
        coordinates=list(_coordinates(split, shape)),
        origin=card.origin,
        stride=stride,
        shape=shape,
        cmap=config.viz.cmap,
        fps=config.viz.fps,
    )
    return found, _notes(len(samples), len(ranked), stride, shape)


def _ranked(run: ReportedRun) -> list[str]:
    """Ids of the samples, the best forecast first."""
    samples = run.metrics["samples"]
    errors = {name: scores.get("mse") for name, scores in samples.items()}
    return sorted(samples, key=lambda name: math.inf if errors[name] is None else errors[name])


def _fit(frames: int, shape: tuple[int, int], available: int) -> tuple[int, int]:
    """The stride of rows and columns, and the number of samples, that fit in the page.

    At least three samples fit, if there are as many.
    """
    needed, stride = min(3, available), 1
    while True:
        cells = math.prod(-(-size // stride) for size in shape)
        count = int(_LIMIT // (frames * cells * _BYTES_PER_VALUE))
        if count >= needed or cells == 1:
            return stride, min(available, max(count, needed))
        stride += 1


def _choose(available: int, count: int) -> list[int]:
    """Ranks of the samples to show: median, best, worst, and others at even distances.

    Of 9 samples, 5 are 4, 0, 8, 1 and 7.
    """
    chosen = list(dict.fromkeys([(available - 1) // 2, 0, available - 1]))[:count]
    rest = [rank for rank in range(available) if rank not in chosen]
    more = count - len(chosen)
    step = (len(rest) - 1) / max(1, more - 1)
    return chosen + [rest[round(step * i)] for i in range(more)]


def _label(rank: int, available: int) -> str:
    if available == 1:
        return ""
    named = {(available - 1) // 2: "median", available - 1: "worst", 0: "best"}
    return named.get(rank, f"rank {rank + 1} of {available}")


def _notes(shown: int, available: int, stride: int, shape: tuple[int, int]) -> list[str]:
    notes = []
    if shown < available:
        notes.append(
            f"The frames of {shown} of {available} test samples are in this page, which fit in its "
            f"{_LIMIT / 1e6:.0f} MB: the median, the best, the worst by mse, and others between "
            "them."
        )
    if stride > 1:
        notes.append(
            f"Of the {shape[0]}x{shape[1]} cells, every {stride}th row and column is in this page."
        )
    return notes


def _coordinates(split: SplitOfRun, shape: tuple[int, int]) -> Iterator[Coordinate]:
    """The coordinates of rows, columns and cells that fit the frames."""
    rows, columns = split.coordinates.dims
    sizes = {rows: shape[0], columns: shape[1]}
    for name, (dims, values, attributes) in split.coordinates.variables.items():
        if values.shape != tuple(sizes[dim] for dim in dims):
            continue
        in_order = values.T if dims == (columns, rows) else values
        axes = "yx" if len(dims) == 2 else "y" if dims == (rows,) else "x"
        yield Coordinate(name, attributes.get("units", ""), axes, in_order)
