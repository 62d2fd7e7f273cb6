"""Straightforward implementations, the baseline of the benchmarks, and the data they are given."""

import hashlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from simvp.data.card import DatasetCard
from simvp.data.description import DataDescription
from simvp.data.scaling import Scaling
from simvp.models.simvp import SimVP, UNet, autoencoder, layers
from simvp.runtime.processes import cores

# Boiling, without statistics.
BOILING = DataDescription(
    channels=("temperature",),
    shape=(1, 64, 64),
    scaling=Scaling((0.0,), (212.0,)),
    stored="scaled",
    card=DatasetCard(),
)


class PlainSimVP(SimVP):
    """The same network with contiguous memory, PyTorch's convolutions and zero padding."""

    def __init__(self, in_shape: tuple[int, int, int, int], **settings: object) -> None:
        super().__init__(in_shape, **settings)  # type: ignore[arg-type]
        _make_plain(self)

    def _next_block(self, frames: Tensor, mask: None) -> Tensor:
        features, skip = self.encoder(frames.flatten(0, 1))
        hidden = features.reshape(frames.shape[0], -1, *features.shape[2:])
        decoded: Tensor = self.decoder(self.translator(hidden).reshape(features.shape), skip)
        return decoded.reshape(frames.shape)


class PlainUNet(UNet):
    """The same network with contiguous memory, PyTorch's convolutions and zero padding."""

    def __init__(self, in_shape: tuple[int, int, int, int], **settings: object) -> None:
        super().__init__(in_shape, **settings)  # type: ignore[arg-type]
        _make_plain(self)

    def _next_block(self, frames: Tensor, mask: None) -> Tensor:
        out: Tensor = self.head(self.norm(self._through_levels(self.stem(frames.flatten(1, 2)))))
        return frames[:, -1:] + out.reshape(frames.shape)


def _make_plain(network: nn.Module) -> None:
    for module in (layers, autoencoder):  # affects the entire process
        module.recomputed = _saved  # type: ignore[attr-defined]
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.forward = nn.Conv2d.forward.__get__(layer)  # type: ignore[method-assign]


def _saved(function: Callable[[Tensor], Tensor], x: Tensor, *, random: bool = False) -> Tensor:
    """Save all intermediate tensors for the backward pass instead of recomputing them."""
    return function(x)


def simulate(folder: Path, samples: int) -> None:
    """Simulate boiling one sample and frame at a time, with `np.roll` and `np.save`."""
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


def write_only(folder: Path, samples: int) -> None:
    """Write files of the same number and size, with one process per core."""
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
