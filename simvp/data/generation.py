"""Simulated samples in a data folder: which are missing, and how they are made.

Apart from `simvp.commands`, for the processes that share the work begin without the configuration.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simvp import simulators
from simvp.data.series import Frames
from simvp.data.sources.frames import read_frame, write_frames
from simvp.errors import DataError

BATCH = 8  # samples that are simulated together: few enough for the processor's cache


@dataclass(frozen=True)
class Job:
    """The samples that a folder should hold, and the settings of `simulate` that they follow.

    Attributes:
        parameters: all parameters of the system, by name.
    """

    folder: Path
    system: str
    samples: int
    frames: int
    image_size: int
    parameters: Mapping[str, float]
    seed: int


def make_missing(job: Job, first: int) -> tuple[int, int]:
    """Write what is not there of the batch from sample `first` on: of how many, how many.

    Raises: DataError if a sample is there with other frames; OutputError.
    """
    numbers = range(job.samples)[first : first + BATCH]
    made = 0
    for sample, frames in _make(job, numbers):
        if _is_missing(job.folder / sample, frames):
            write_frames(job.folder / sample, frames)
            made += 1
    return len(numbers), made


def _make(job: Job, numbers: Sequence[int]) -> Iterator[tuple[str, Frames]]:
    """The samples with these numbers: name and frames of each."""
    simulator = simulators.load(job.system)
    generators = [np.random.default_rng([job.seed, number]) for number in numbers]
    initial = np.stack([simulator.initial_state(job.image_size, rng) for rng in generators])
    batch = simulator.simulate(initial, frames=job.frames, **job.parameters)
    for number, first, frames in zip(numbers, initial, batch, strict=True):
        digest = hashlib.sha256(first.tobytes()).hexdigest()
        yield f"{digest}_{job.system}_{number}", frames


def _is_missing(sample: Path, frames: Frames) -> bool:
    """Whether a frame of the sample is not there. Raises DataError if one is there and differs."""
    if not sample.exists():
        return True
    present = [i for i in range(len(frames)) if (sample / f"{i}.npy").exists()]
    for i in present:
        if not np.array_equal(read_frame(sample / f"{i}.npy"), frames[i]):
            raise DataError(
                f"{sample / f'{i}.npy'}: exists already and differs from what would be written, "
                "perhaps because it was made with other parameters (--param); choose another "
                "--data-path, or delete the sample"
            )
    return len(present) < len(frames)
