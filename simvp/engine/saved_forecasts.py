"""The forecasts and scores that `simvp test` saved in a run's folder.

T: frames; C: channels that are forecast; H, W: height and width.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from simvp.config import name_option
from simvp.data.card import CARD_NAME, read_card
from simvp.data.description import DataDescription, read_description
from simvp.data.scaling import Scaling
from simvp.data.sources.frames import frame_files, read_frame
from simvp.engine.score_records import check_record
from simvp.errors import RunError
from simvp.runs import FRAME_KINDS, RunFolder
from simvp.storage.files import file_digest

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


def read_description_of(folder: RunFolder) -> DataDescription:
    """What a run was trained on. For runs of version 1, which did not record it, what their saved
    forecasts and the data card beside them say.

    Raises: RunError, ConfigError or DataError if a file is missing or damaged.
    """
    if folder.data_file.exists():
        return read_description(folder.data_file)
    first = folder.saved / FRAME_KINDS[0] / folder.saved_samples()[0]
    shape = read_frame(next(iter(frame_files(first)))).shape
    card = read_card(folder.saved / CARD_NAME)
    channels = card.channel_names(shape[0], folder.saved)
    identity = Scaling((0.0,) * shape[0], (1.0,) * shape[0])
    return DataDescription(
        channels=channels,
        shape=shape,
        scaling=card.stored_scaling(channels) or identity,
        stored=card.stored_as(),
        card=card,
    )


def outdated(folder: RunFolder, metrics: Mapping[str, Any], members: int) -> list[str]:
    """A warning if the model of the run is no longer the one that was scored.

    Args:
        members: number of networks of the run.
        metrics: the content of metrics.json; earlier versions did not record the model's hash.
    """
    scored = metrics.get("members") or [metrics]
    is_usual = folder.saved.parent == folder.path
    has_others = is_usual and _is_own(folder, scored[0]) and len(scored) != members
    changed = (_has_changed(folder.member(i), record) for i, record in enumerate(scored, 1))
    if not has_others and not any(changed):
        return []
    return [
        f"warning: the scores and forecasts in {folder.saved} are of an earlier model; run "
        f"`simvp test{name_option(folder.path)}` again"
    ]


def _has_changed(member: RunFolder, scored: Mapping[str, Any]) -> bool:
    """Whether a member has another model than the one that was scored."""
    digest, model = scored.get("weights_sha256"), member.model_file
    if not digest or not _is_own(member, scored) or not model.is_file():
        return False
    return file_digest(model) != str(digest)


def _is_own(member: RunFolder, scored: Mapping[str, Any]) -> bool:
    """Whether the weights that were scored are those of a member, wherever its folder is now."""
    return Path(str(scored.get("weights"))).parts[-2:] == member.model_file.parts[-2:]


def read_metrics(folder: RunFolder) -> dict[str, Any]:
    """The content of metrics.json. Raises RunError if it is missing or damaged."""
    path = folder.saved / "metrics.json"
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise RunError(
                f"{path}: is damaged (a {kind}, not a table of scores); run `simvp test` again"
            )
        check_record(record)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "scores"
        raise RunError(
            f"{path}: is damaged ({where}: {problem['msg']}); run `simvp test` again"
        ) from None
    except PermissionError:
        raise  # no damage
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: is missing or damaged ({type(error).__name__}); run `simvp test` again"
        ) from None
    return record
