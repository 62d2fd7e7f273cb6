"""The forecasts and scores that `simvp test` saved in a run's folder.

T: frames; C: channels that are forecast; H, W: height and width.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.description import DataDescription
from simvp.data.sources.frames import frame_files, read_frame
from simvp.errors import RunError
from simvp.runs import RunFolder

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class SavedSample:
    """One window, in physical units, NaN where a value is missing.

    Attributes:
        inputs: (T_in, C, H, W).
        truth, forecast: (T, C, H, W).
    """

    inputs: Frames
    truth: Frames
    forecast: Frames


@dataclass(frozen=True)
class SavedForecasts:
    """What `simvp test` saved in the folder of a run that was trained on `data`."""

    folder: RunFolder
    data: DataDescription

    def read(self, sample_id: str) -> SavedSample:
        """Read a sample. Raises RunError or DataError if it is missing or damaged."""
        inputs, truth, forecast = (
            self.read_frames(kind, sample_id) for kind in ("inputs", "trues", "preds")
        )
        if len(truth) != len(forecast):
            raise RunError(
                f"{self.folder.saved}: {sample_id} has {len(truth)} truths but {len(forecast)} "
                "predictions; run `simvp test` again"
            )
        return SavedSample(inputs, truth, forecast)

    def read_frames(self, kind: str, sample_id: str) -> Frames:
        """The frames of one kind, (T, C, H, W). Raises RunError or DataError."""
        path = self.folder.saved / kind / sample_id
        if not path.is_dir():
            raise RunError(f"{path}: is missing; make the forecasts again with `simvp test`")
        frames = np.stack([read_frame(file) for file in frame_files(path)])
        if self.data.stored == "scaled":
            frames = self.data.scaling.first(frames.shape[1]).to_physical(frames)
        return frames[:, : len(self.data.forecast_channels)]


def read_metrics(folder: RunFolder) -> dict[str, Any]:
    """The content of metrics.json. Raises RunError if it is missing or damaged."""
    path = folder.saved / "metrics.json"
    try:
        record = json.loads(path.read_bytes())
        samples = {name: dict(scores) for name, scores in record["samples"].items()}
        return {**record, "samples": samples}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: is missing or damaged ({type(error).__name__}); run `simvp test` again"
        ) from None
