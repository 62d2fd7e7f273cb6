"""`simvp split`: check every sample and decide who trains, who validates, who tests."""

from pathlib import Path

import numpy as np

from simvp.commands.words import check_square, data_option
from simvp.config import Config
from simvp.config.sections import SplitSection
from simvp.data.card import CARD_NAME, read_card
from simvp.data.frames import frame_files, list_samples, read_sample
from simvp.data.split import PARTS, Sample, write
from simvp.errors import ConfigError, DataError
from simvp.progress import Report, Summary


def run(config: Config, report: Report) -> Summary:
    """Write the split file of a data folder. Raises DataError or ConfigError, writing nothing."""
    folder, settings = Path(config.data.path), config.split
    paths = list_samples(folder)
    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(len(paths)).tolist()
    if settings.samples > len(paths):
        raise ConfigError(
            f"split.samples = {settings.samples}: {folder} holds {len(paths)}; ask for fewer"
        )
    order = order[: settings.samples or len(paths)]
    card = read_card(folder)
    sizes = part_sizes(len(order), settings)
    samples, shape = _checked_samples([paths[i] for i in order], settings, report)
    check_square(card.symmetries, shape, str(folder / CARD_NAME))
    starts = np.cumsum([0, *sizes])
    parts = [samples[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    rest = round(1 - settings.train_ratio - settings.val_ratio, 9)
    path = write(folder, [settings.train_ratio, settings.val_ratio, rest], parts)
    counts = ", ".join(f"{size} {name}" for size, name in zip(sizes, PARTS, strict=True))
    channels, height, width = shape
    return Summary(
        [
            f"{len(samples)} samples checked: {len(samples[0].frames)} frames of {height}x{width}, "
            f"{channels} channel{'s' if channels > 1 else ''}, all finite and within [0, 1]",
            counts,
            f"wrote {path}",
        ],
        f"simvp train{data_option(config)}",
    )


def part_sizes(count: int, settings: SplitSection) -> list[int]:
    """How many of `count` samples train, validate and test. Raises DataError if one has none."""
    train, val = round(count * settings.train_ratio), round(count * settings.val_ratio)
    test = count - train - val
    all_given = settings.train_ratio + settings.val_ratio > 1 - 1e-9
    if min(train, val) < 1 or test < (0 if all_given else 1):
        raise DataError(
            f"{count} samples split into {train} train, {val} validation and {max(test, 0)} test; "
            "each part needs one at least: make more samples, or change --train-ratio and "
            "--val-ratio"
        )
    return [train, val, max(test, 0)]


def _checked_samples(
    paths: list[Path], settings: SplitSection, report: Report
) -> tuple[list[Sample], tuple[int, int, int]]:
    """The samples with the frames to use, all of them read and checked, and the frames' shape."""
    samples: list[Sample] = []
    shape: tuple[int, int, int] | None = None
    with report.progress("checking", len(paths)) as advance:
        for index, path in enumerate(paths):
            files = frame_files(path)
            rng = np.random.default_rng([settings.seed, index])
            chosen = choose_frames(files, settings, rng, where=path)
            frames, checksums = read_sample(chosen)
            shape = shape or frames.shape[1:]
            if frames.shape[1:] != shape:
                raise DataError(
                    f"{path}: its frames have shape {frames.shape[1:]} (channels, height, "
                    f"width), but those of {paths[0]} have {shape}; all samples need one shape"
                )
            if samples and len(chosen) != len(samples[0].frames):
                shorter = min(len(chosen), len(samples[0].frames))
                raise DataError(
                    f"{path}: has {len(chosen)} frames, but {paths[0]} has "
                    f"{len(samples[0].frames)}; use --total-length {shorter}, or complete it"
                )
            samples.append(Sample(path.name, tuple(chosen), checksums))
            advance(1, "")
    assert shape is not None
    return samples, shape


def choose_frames(
    files: list[str], settings: SplitSection, rng: np.random.Generator, *, where: Path
) -> list[str]:
    """The frames of a sample that the settings ask for, in the order of their use.

    Of 0..19 with total_length 5: start_index 0 gives 0 1 2 3 4, start_index 15 the last five,
    -1 any five in a row; then init_final_only keeps the first and the last of them, and reverse
    turns them round. Raises DataError if there are too few.
    """
    start = settings.start_index
    length = settings.total_length or len(files) - max(start, 0)
    if length < 1 or max(start, 0) + length > len(files):
        raise DataError(
            f"{where}: has {len(files)} frames, but {length} from frame {max(start, 0)} on are "
            "asked for; lower --total-length or --start-index, or complete the sample"
        )
    if start == -1:
        start = int(rng.integers(len(files) - length + 1))
    chosen = files[start : start + length]
    if settings.init_final_only:
        if length < 2:
            raise DataError(f"{where}: --init-final-only needs 2 frames or more, found {length}")
        chosen = [chosen[0], chosen[-1]]
    return chosen[::-1] if settings.reverse else chosen
