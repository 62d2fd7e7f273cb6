"""Simulate the samples that are missing in a data folder.

Worker processes import this module, which therefore needs neither the config nor torch.
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

BATCH = 8  # samples that are simulated together; they fit in the cache of the processor


@dataclass(frozen=True)
class Job:
    """Which samples a folder should contain: the settings of `simulate`."""

    folder: Path
    system: str
    samples: int
    frames: int
    image_size: int
    parameters: Mapping[str, float]
    seed: int


def make_missing(job: Job, first: int) -> tuple[int, int]:
    """Write the missing samples of the batch that starts with sample number `first`.

    Returns: number of samples in the batch, and how many of them were missing.
    Raises: DataError if a sample exists with other frames; OutputError.
    """
    numbers = range(job.samples)[first : first + BATCH]
    made = 0
    for sample, frames in _make(job, numbers):
        if _is_missing(job.folder / sample, frames):
            write_frames(job.folder / sample, frames)
            made += 1
    return len(numbers), made


def _make(job: Job, numbers: Sequence[int]) -> Iterator[tuple[str, Frames]]:
    """Names and frames of the samples with these numbers."""
    simulator = simulators.load(job.system)
    generators = [np.random.default_rng([job.seed, number]) for number in numbers]
    initial = np.stack([simulator.initial_state(job.image_size, rng) for rng in generators])
    batch = simulator.simulate(initial, frames=job.frames, **job.parameters)
    for number, first, frames in zip(numbers, initial, batch, strict=True):
        digest = hashlib.sha256(first.tobytes()).hexdigest()
        yield f"{digest}_{job.system}_{number}", frames


def _is_missing(sample: Path, frames: Frames) -> bool:
    """Whether a frame of the sample is missing. Raises DataError if an existing one differs."""
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
