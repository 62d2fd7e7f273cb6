"""A trained network together with what is needed to use it.

M: members; B: batch; T: frames; C: channels, C' of which are forecast, the first ones; H, W: height
and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simvp.config import Config, resolve, run_layers
from simvp.data.description import DataDescription, read_description
from simvp.engine.automatic import follow_weights
from simvp.engine.evaluation import with_holes
from simvp.engine.network import load_trained
from simvp.engine.weights import read_weights
from simvp.models.ensemble import Ensemble
from simvp.models.simvp import Network
from simvp.runs import RunFolder

Frames = TypeVar("Frames", NDArray[np.floating], Tensor)


@dataclass(frozen=True)
class Forecaster:
    """Forecasts frames in physical values.

    Attributes:
        network: maps scaled frames (B, T, C, H, W) to the next (B, T, C', H, W), an ensemble to
            (M, B, T, C', H, W); it is in evaluation mode.
        frames_in: number of frames that the network is given.
        trained_steps: number of frames that it was trained to forecast.
        data: channels, shape, scaling and data card of what it was trained on.
    """

    network: Network | Ensemble
    frames_in: int
    trained_steps: int
    data: DataDescription

    def __repr__(self) -> str:
        rows, columns = self.data.shape[1:]
        members = f", {self.num_members} members" if self.num_members > 1 else ""
        return (
            f"Forecaster({', '.join(self.channels)}; {self.frames_in} frames in, "
            f"{self.trained_steps} forecast, {rows}x{columns}{members})"
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that `predict` needs, in order; those that are forecast first."""
        return self.data.channels

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each channel; empty where it is not known."""
        return tuple(self.data.card.channel(name).unit for name in self.channels)

    @property
    def num_members(self) -> int:
        """Number of networks; more than one in an ensemble."""
        return len(self.network.networks) if isinstance(self.network, Ensemble) else 1

    def predict(self, frames: Frames, steps: int | None = None) -> Frames:
        """Forecast the frames that follow the given ones; an ensemble forecasts its members' mean.

        Args:
            frames: physical values, (T, C, H, W), (B, T, C, H, W), or (T, H, W) for one channel;
                the last `frames_in` of the T frames are used. All channels are needed, those that
                are not forecast (`data.inputs`) last.
            steps: number of frames to forecast; by default `trained_steps`.
        Returns: the forecast in physical values, (steps, C', H, W), or (B, steps, C', H, W), or
            (steps, H, W), with the type and device of `frames`; float32, without a gradient.
        Raises: ValueError if the shape, the values or `steps` do not fit the run; TypeError if
            `steps` is not an integer.
        """
        mean: Frames = self.predict_members(frames, steps).mean(0)
        return mean

    def predict_members(self, frames: Frames, steps: int | None = None) -> Frames:
        """The forecast of each network: like `predict`, with a first axis of `num_members`."""
        steps = self.trained_steps if steps is None else steps
        if index(steps) < 1:
            raise ValueError(f"steps = {steps}: should be 1 or more")
        if isinstance(frames, Tensor):
            return self._forecast(frames, steps).to(frames.device)
        return self._forecast(torch.as_tensor(np.asarray(frames, np.float32)), steps).numpy()

    @torch.no_grad()
    def _forecast(self, frames: Tensor, steps: int) -> Tensor:
        self._check(tuple(frames.shape))
        device = next(self.network.parameters()).device
        last = frames[-self.frames_in :] if frames.ndim < 5 else frames[:, -self.frames_in :]
        values = last.detach().to(device, torch.float32)
        batch = values.reshape(-1, self.frames_in, *self.data.shape)
        inputs = self.data.scaling.to_unit(batch)
        if inputs.isinf().any() or (inputs.isnan().any() and not self.network.takes_mask):
            raise ValueError(
                "frames: infinite values in the frames that are used as input, or NaN, which the "
                "run was not trained on"
            )
        forecast = self.members_from_scaled(inputs, steps)
        if frames.ndim == 5:
            return forecast
        return forecast[:, 0] if frames.ndim == 4 else forecast[:, 0, :, 0]

    def export(self, path: str | Path, steps: int | None = None) -> None:
        """Write an ONNX model of `predict`, for programs without PyTorch.

        It maps `frames`, physical values (B, T, C, H, W) with T = `frames_in`, to `forecast`, (B,
        steps, C', H, W). The number of samples B is free.

        Args:
            path: the file, like model.onnx.
            steps: number of frames to forecast; by default `trained_steps`.
        Raises: ConfigError without the packages of `pip install 'simvp[onnx]'`; RunFailed if the
            exported model forecasts something else; OutputError if the file cannot be written.
        """
        from simvp.engine.export import export_onnx

        export_onnx(self, Path(path), self.trained_steps if steps is None else steps)

    def from_scaled(self, inputs: Tensor, steps: int) -> Tensor:
        """The forecast in physical values from inputs (B, T, C, H, W) in network units.

        Returns: (B, steps, C', H, W), float32, NaN where all inputs are missing.
        """
        return self.members_from_scaled(inputs, steps).mean(dim=0)

    def members_from_scaled(self, inputs: Tensor, steps: int) -> Tensor:
        """The same of each network, (M, B, steps, C', H, W)."""
        forecast = self.network(inputs, steps).float()
        members = forecast if forecast.ndim == 6 else forecast[None]
        return self.data.forecast_scaling.to_physical(with_holes(inputs, members))

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError, naming what the run was trained on."""
        channels, height, width = self.data.shape
        expected = [f"(T, {channels}, {height}, {width})", f"(B, T, {channels}, {height}, {width})"]
        fits = len(shape) in (4, 5) and shape[-3:] == self.data.shape
        if channels == 1:
            expected.append(f"(T, {height}, {width})")
            fits = fits or (len(shape) == 3 and shape[1:] == (height, width))
        num_frames = shape[1] if len(shape) == 5 else shape[0] if shape else 0
        if not fits or num_frames < self.frames_in:
            raise ValueError(
                f"frames of shape {shape}: this run was trained on {self.frames_in} input frames "
                f"with {self._channel_names()} of {height} x {width} cells; pass "
                f"{' or '.join(expected)} with T of {self.frames_in} or more"
            )

    def _channel_names(self) -> str:
        """`1 channel`, or `3 channels (u, v, depth; input only: depth)`."""
        channels, inputs = self.data.channels, self.data.inputs
        names = f" ({', '.join(channels)}; input only: {', '.join(inputs)})" if inputs else ""
        return f"{len(channels)} channel{'s' * (len(channels) > 1)}{names}"


def load(run: str | Path) -> Forecaster:
    """Load the model of a run, on the CPU.

    Args:
        run: the run's folder, like work_dirs/default.
    Raises: RunError or ConfigError if there is no such model.
    """
    folder = RunFolder(Path(run))
    folder.check_exists()
    config = resolve(run_layers(folder.config_file))
    weights = folder.find_weights("", members=config.train.members, epochs=config.train.epochs)
    data = read_description(folder.data_file)
    return build_forecaster(config, data, weights, torch.device("cpu"))


def build_forecaster(
    config: Config, data: DataDescription, weights: Sequence[Path], device: torch.device
) -> Forecaster:
    """The forecaster with the weights in a file, or in those of all members of an ensemble.

    Args:
        config: of the run, resolved.
        data: what the run was trained on, but for the height and width of the frames.
    Raises: RunError or ConfigError if the weights cannot be read or do not fit.
    """
    stored = [read_weights(path) for path in weights]
    config = follow_weights(config, stored[0])
    pre, aft = config.data.pre_seq_length, config.data.aft_seq_length
    return Forecaster(load_trained(config, data, stored, device), pre, aft, data)
