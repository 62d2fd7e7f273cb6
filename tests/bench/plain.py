"""What our speed is compared with: the network and the tools as one writes them at first."""

import hashlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from simvp.models.simvp import SimVP, autoencoder, layers
from simvp.runtime.processes import cores


class PlainSimVP(SimVP):
    """The same network on contiguous memory, with PyTorch's own convolutions and zeros around."""

    def __init__(self, in_shape: tuple[int, int, int, int], **settings: object) -> None:
        super().__init__(in_shape, **settings)  # type: ignore[arg-type]
        for rooms in (layers, autoencoder):  # of the whole process, which measures nothing else
            rooms.recomputed = _kept  # type: ignore[attr-defined]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.forward = nn.Conv2d.forward.__get__(module)  # type: ignore[method-assign]

    def _next_frames(self, frames: Tensor) -> Tensor:
        features, skip = self.encoder(frames.flatten(0, 1))
        hidden = features.reshape(frames.shape[0], -1, *features.shape[2:])
        decoded: Tensor = self.decoder(self.translator(hidden).reshape(features.shape), skip)
        return decoded.reshape(frames.shape)


def _kept(function: Callable[[Tensor], Tensor], x: Tensor, *, random: bool = False) -> Tensor:
    """Every value stays in memory until the backward pass."""
    return function(x)


def simulate(folder: Path, samples: int) -> None:
    """Boiling, a sample and a frame at a time, `np.roll` and `np.save`."""
    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    for index in range(samples):
        rng = np.random.default_rng([0, index])
        state = rng.uniform(0.0, 212.0, (1, 64, 64)).astype(np.float32)
        sample = folder / f"{hashlib.sha256(state.tobytes()).hexdigest()}_boiling_{index}"
        sample.mkdir(parents=True)
        for number in range(20):
            np.save(sample / f"{number}.npy", state / 212)
            share = state / 8
            state = sum(np.roll(share, offset, (-2, -1)) for offset in offsets)
            state = np.mod(state + 10, 212).astype(np.float32)


def write_alone(folder: Path, samples: int) -> None:
    """Files like those of `samples` samples, by as many processes as there are cores."""
    count = cores()
    shares = [(folder / str(number), samples // count) for number in range(count)]
    writers = [multiprocessing.Process(target=_write, args=share) for share in shares]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


def _write(folder: Path, samples: int) -> None:
    for sample in range(samples):
        (folder / str(sample)).mkdir(parents=True)
        for number in range(20):
            (folder / str(sample) / f"{number}.npy").write_bytes(bytes(128 + 64 * 64 * 4))
