"""`simvp simulate`: make samples of a simulated system."""

import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np

from simvp import simulators
from simvp.commands.hints import data_option
from simvp.config import Config
from simvp.config.sections import DataSection, SimulateSection
from simvp.data.card import CARD_NAME, DatasetCard, card_to_toml, read_card
from simvp.data.generation import BATCH, Job, make_missing
from simvp.errors import ConfigError, DataError, OutputError, RunFailed
from simvp.progress import Report, Summary, plural
from simvp.runtime.processes import cores, map_tasks
from simvp.simulators import Simulator
from simvp.storage.files import lock_folder, publish_text, remove_stale
from simvp.storage.urls import is_url

_PER_PROCESS = 2 * 10**7  # values to simulate, below which another process takes longer to begin


def run(config: Config, report: Report) -> Summary:
    """Make the samples that are missing in the data folder; those that are there stay untouched.

    Raises: DataError if a sample is there with other frames; OutputError.
    """
    if is_url(config.data.path):
        raise ConfigError(
            f"data.path = {config.data.path!r}: is a URL; name a folder for the samples with "
            "--data-path"
        )
    settings, folder = config.simulate, Path(config.data.path)
    _check_folder(config, folder)
    start = time.perf_counter()
    with lock_folder(folder):
        made = _make_samples(settings, folder, report)
        missing = _missing(settings, folder)
    if missing:
        removed = plural(missing, "sample")
        raise RunFailed(f"{folder}: another program removed {removed} meanwhile; run it again")
    seconds = time.perf_counter() - start
    size = settings.image_size
    return Summary(
        [
            f"{plural(settings.samples, 'sample')} of {plural(settings.frames, 'frame')}, "
            f"{size}x{size}, in {folder}: "
            f"{made} made, {settings.samples - made} were there already ({seconds:.1f} s)"
        ],
        f"simvp split{data_option(config)}",
    )


def _make_samples(settings: SimulateSection, folder: Path, report: Report) -> int:
    """Make the data card and the missing samples; return how many were made."""
    simulator = simulators.load(settings.system)
    if folder.is_dir():
        remove_stale(folder)
    _check_space(settings, folder, simulator)
    card = folder / CARD_NAME
    parameters = simulator.complete(settings.parameters)
    if not card.exists():
        publish_text(card, card_to_toml(DatasetCard(**simulator.card(parameters))))
    made = 0
    with report.progress("simulating", settings.samples) as advance:
        job = Job(folder, **settings.model_dump(exclude={"parameters"}), parameters=parameters)
        batches = range(0, settings.samples, BATCH)
        for done, made_now in map_tasks(partial(make_missing, job), batches, _processes(settings)):
            made += made_now
            advance(done, "")
    return made


def _missing(settings: SimulateSection, folder: Path) -> int:
    """Number of samples that are not in the folder."""
    numbers = {path.name.rpartition(f"_{settings.system}_")[2] for path in folder.iterdir()}
    return sum(str(number) not in numbers for number in range(settings.samples))


def _check_folder(config: Config, folder: Path) -> None:
    """Raises DataError if the folder cannot hold samples of this system."""
    system = config.simulate.system
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the samples with --data-path")
    holds = read_card(folder / CARD_NAME).name or (
        "boiling" if folder == Path(DataSection().path) else system
    )
    if holds != system:
        raise DataError(
            f"{folder}: is for samples of {holds}, not of {system}; name another folder, like "
            f"--data-path {system.replace('-', '_')}_data"
        )


def _check_space(settings: SimulateSection, folder: Path, simulator: Simulator) -> None:
    """Raises OutputError if the disk has no room for all samples."""
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
