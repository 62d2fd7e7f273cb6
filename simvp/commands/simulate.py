"""`simvp simulate`: make samples of a simulated system."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from simvp import simulators
from simvp.commands.words import data_option
from simvp.config import CARD_NAME, Config, DatasetCard, card_to_toml, read_card
from simvp.config.sections import DataSection, SimulateSection
from simvp.errors import DataError, OutputError
from simvp.files import publish_text, remove_stale
from simvp.report import Report, Summary
from simvp.samples import Frame, read_frame, write_frames
from simvp.simulators import Simulator
from simvp.workers import cores, in_processes

_BATCH = 8  # samples that are simulated together: few enough for the processor's cache
_PER_PROCESS = 2 * 10**7  # values to simulate, below which another process takes longer to begin


def run(config: Config, report: Report) -> Summary:
    """Make the samples that are missing in the data folder; those that are there stay untouched.

    Raises: DataError if a sample is there with other frames; OutputError.
    """
    settings, folder = config.simulate, Path(config.data.path)
    _check_folder(config, folder)
    simulator = simulators.load(settings.system)
    if folder.is_dir():
        remove_stale(folder)
    _check_space(config, folder, simulator)
    card = folder / CARD_NAME
    if not card.exists():
        publish_text(card, card_to_toml(DatasetCard(**simulator.physics)))
    made, start = 0, time.perf_counter()
    with report.progress("simulating", settings.samples) as advance:
        make = partial(_make_missing, folder, settings)
        batches = range(0, settings.samples, _BATCH)
        for done, made_now in in_processes(make, batches, _processes(settings)):
            made += made_now
            advance(done, "")
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


def _check_folder(config: Config, folder: Path) -> None:
    """Raises DataError if the folder cannot hold samples of this system."""
    system = config.simulate.system
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the samples with --data-path")
    holds = read_card(folder).name or ("boiling" if folder == Path(DataSection().path) else system)
    if holds != system:
        raise DataError(
            f"{folder}: is for samples of {holds}, not of {system}; name another folder, like "
            f"--data-path {system.replace('-', '_')}_data"
        )


def _check_space(config: Config, folder: Path, simulator: Simulator) -> None:
    """Raises OutputError if the disk has no room for all samples."""
    settings = config.simulate
    frame = simulator.initial_state(settings.image_size, np.random.default_rng())
    needed = settings.samples * settings.frames * (128 + frame.nbytes)
    place = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OutputError(
            f"{folder}: {settings.samples} samples need {needed / 1e9:.1f} GB, but "
            f"{free / 1e9:.1f} GB are free; make fewer or smaller ones, or choose another "
            "--data-path"
        )


def _processes(settings: SimulateSection) -> int:
    """How many processes to share the work among."""
    values = settings.samples * settings.frames * settings.image_size**2
    return max(1, min(cores(), values // _PER_PROCESS))


def _make_missing(folder: Path, settings: SimulateSection, first: int) -> tuple[int, int]:
    """Write what is not there of the batch from sample `first` on: of how many, how many."""
    numbers = range(settings.samples)[first : first + _BATCH]
    made = 0
    for sample, frames in _make(simulators.load(settings.system), settings, numbers):
        if _is_missing(folder / sample, frames):
            write_frames(folder / sample, frames)
            made += 1
    return len(numbers), made


def _make(
    simulator: Simulator, settings: SimulateSection, numbers: Sequence[int]
) -> Iterator[tuple[str, Frame]]:
    """The samples with these numbers: name and frames of each."""
    generators = [np.random.default_rng([settings.seed, number]) for number in numbers]
    initial = np.stack([simulator.initial_state(settings.image_size, rng) for rng in generators])
    own = {"increment": settings.increment} if settings.system == "boiling" else {}
    batch = simulator.simulate(initial, frames=settings.frames, **own)
    for number, first, frames in zip(numbers, initial, batch, strict=True):
        digest = hashlib.sha256(first.tobytes()).hexdigest()
        yield f"{digest}_{settings.system}_{number}", frames


def _is_missing(sample: Path, frames: Frame) -> bool:
    """Whether a frame of the sample is not there. Raises DataError if one is there and differs."""
    if not sample.exists():
        return True
    present = [i for i in range(len(frames)) if (sample / f"{i}.npy").exists()]
    for i in present:
        if not np.array_equal(read_frame(sample / f"{i}.npy"), frames[i]):
            raise DataError(
                f"{sample / f'{i}.npy'}: is there already and differs from what would be written "
                "(made with another --increment?); choose another --data-path, or delete the "
                "sample"
            )
    return len(present) < len(frames)
