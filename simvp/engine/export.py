"""Export a forecaster to ONNX, for programs without PyTorch.

B: batch; T: frames; C: channels, C' of which are forecast; H, W: height and width.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from simvp.engine.forecaster import Forecaster
from simvp.errors import ConfigError, RunFailed
from simvp.storage.files import publish

# Relative to the range of the data; rounding errors are about 1e-6.
_TOLERANCE = 1e-4


class _Physical(nn.Module):
    """The network with its scaling: physical (B, T, C, H, W) to physical (B, steps, C', H, W)."""

    def __init__(self, forecaster: Forecaster, steps: int) -> None:
        super().__init__()
        self.network = forecaster.network  # a submodule: its weights are exported
        self._forecaster, self._steps = forecaster, steps

    def forward(self, frames: Tensor) -> Tensor:
        inputs = self._forecaster.data.scaling.to_unit(frames)
        return self._forecaster.from_scaled(inputs, self._steps)


def export_onnx(forecaster: Forecaster, path: Path, steps: int) -> None:
    """Write an ONNX model, and compare its forecast with that of the network.

    Its input `frames`, physical values (B, T, C, H, W) of any number of samples B, and its output
    `forecast`, (B, steps, C', H, W), are those of `Forecaster.predict`.

    Raises: ConfigError if the packages are not installed; RunFailed if the forecasts differ;
        OutputError if the file cannot be written.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch.onnx imports it
    except ImportError as error:
        raise ConfigError(
            f"exporting to ONNX requires the package {error.name}; install it with `pip install "
            "'simvp[onnx]'`"
        ) from None
    example, other = _examples(forecaster)
    module = _Physical(forecaster, steps).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own future
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["frames"],
            output_names=["forecast"],
            verbose=False,
        )
    assert program is not None
    with publish(path) as temporary:
        program.save(str(temporary), external_data=False)
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"frames": other.numpy()})
        _compare(forecaster, found, module(other), path)


def _examples(forecaster: Forecaster) -> tuple[Tensor, Tensor]:
    """Random inputs of two and of three samples, the last one with a missing cell if it may."""
    low, span = forecaster.data.scaling.low, forecaster.data.scaling.span
    shape = (forecaster.frames_in, *forecaster.data.shape)
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(5, *shape, generator=generator)
    frames = unit * torch.tensor(span)[:, None, None] + torch.tensor(low)[:, None, None]
    if forecaster.network.takes_mask:
        frames[-1, :, :, 0, 0] = torch.nan
    return frames[:2], frames[2:]


def _compare(forecaster: Forecaster, found: np.ndarray, expected: Tensor, path: Path) -> None:
    """Raises RunFailed if two forecasts differ by more than rounding errors."""
    span = np.asarray(forecaster.data.forecast_scaling.span)[:, None, None]
    reference = expected.detach().numpy()
    same_holes = np.array_equal(np.isnan(found), np.isnan(reference))
    error = float(np.nanmax(np.abs(found - reference) / span))
    if not same_holes or error > _TOLERANCE:
        raise RunFailed(
            f"{path}: not written, because the exported model differs from the network by "
            f"{error:.1e} of the range of the data"
        )
