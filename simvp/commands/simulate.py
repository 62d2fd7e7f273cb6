"""`simvp simulate`: make samples of boiling water."""

import hashlib
import shutil
import time
from pathlib import Path

import numpy as np

from simvp.commands.words import data_option
from simvp.config import CARD_NAME, Config, DatasetCard, card_to_toml
from simvp.errors import DataError, OutputError
from simvp.files import publish_text, remove_stale
from simvp.report import Report, Summary
from simvp.samples import Frame, read_frame, write_frames
from simvp.simulators import boiling


def run(config: Config, report: Report) -> Summary:
    """Make the samples that are missing in the data folder; those that are there stay untouched.

    Raises: DataError if a sample is there with other frames; OutputError.
    """
    settings, folder = config.simulate, Path(config.data.path)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the samples with --data-path")
    if folder.is_dir():
        remove_stale(folder)
    _check_space(config, folder)
    card = folder / CARD_NAME
    if not card.exists():
        publish_text(card, card_to_toml(DatasetCard(**boiling.PHYSICS)))
    made, start = 0, time.perf_counter()
    with report.progress("simulating", settings.samples) as advance:
        for index in range(settings.samples):
            rng = np.random.default_rng([settings.seed, index])
            initial = boiling.initial_state(settings.image_size, rng)
            sample = folder / f"{hashlib.sha256(initial.tobytes()).hexdigest()}_boiling_{index}"
            frames = boiling.simulate(initial, frames=settings.frames, increment=settings.increment)
            made += _complete(sample, frames)
            advance(1, "")
    seconds = time.perf_counter() - start
    kept = settings.samples - made
    size = settings.image_size
    return Summary(
        [
            f"{settings.samples} samples of {settings.frames} frames, {size}x{size}, in {folder}: "
            f"{made} made, {kept} were there already ({seconds:.1f} s)"
        ],
        f"simvp split{data_option(config)}",
    )


def _check_space(config: Config, folder: Path) -> None:
    """Raises OutputError if the disk has no room for all samples."""
    settings = config.simulate
    needed = settings.samples * settings.frames * (128 + 4 * settings.image_size**2)
    place = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OutputError(
            f"{folder}: {settings.samples} samples need {needed / 1e9:.1f} GB, but "
            f"{free / 1e9:.1f} GB are free; make fewer or smaller ones, or choose another "
            "--data-path"
        )


def _complete(sample: Path, frames: Frame) -> bool:
    """Write the sample unless it is there. Returns whether anything was missing.

    Raises: DataError if a frame is there and differs.
    """
    present = [i for i in range(len(frames)) if (sample / f"{i}.npy").exists()]
    for i in present:
        if not np.array_equal(read_frame(sample / f"{i}.npy"), frames[i]):
            raise DataError(
                f"{sample / f'{i}.npy'}: is there already and differs from what would be written "
                "(made with another --increment?); choose another --data-path, or delete the "
                "sample"
            )
    if len(present) == len(frames):
        return False
    write_frames(sample, frames)
    return True
