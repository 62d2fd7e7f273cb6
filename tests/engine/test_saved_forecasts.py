"""The saved forecasts of a run."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from simvp.data.description import read_description
from simvp.engine.saved_forecasts import SavedForecasts, read_metrics
from simvp.errors import RunError
from simvp.runs import RunFolder


def opened(path: Path, **changes: object) -> SavedForecasts:
    folder = RunFolder(path)
    data = read_description(folder.data_file).model_copy(update=changes)
    return SavedForecasts(folder, data)


def stored(folder: Path, kind: str, sample: str) -> np.ndarray:
    files = sorted((folder / "saved" / kind / sample).glob("*.npy"), key=lambda f: int(f.stem))
    return np.stack([np.load(file) for file in files])


def test_samples_are_read_in_physical_units(tested: Path) -> None:
    saved = opened(tested)
    for sample_id in saved.folder.saved_samples():
        sample = saved.read(sample_id)
        arrays = (sample.inputs, sample.truth, sample.forecast)
        for array, kind in zip(arrays, ("inputs", "trues", "preds"), strict=True):
            np.testing.assert_array_equal(array, stored(tested, kind, sample_id))


def test_scaled_values_are_converted(tested: Path) -> None:
    scaling = opened(tested).data.scaling
    scaling = type(scaling)((-2.0,), (32.0,))
    saved = opened(tested, stored="scaled", scaling=scaling)
    sample_id = saved.folder.saved_samples()[0]
    expected = -2.0 + 34.0 * stored(tested, "preds", sample_id)
    np.testing.assert_allclose(saved.read(sample_id).forecast, expected, rtol=1e-6)


def test_damage_is_an_error(tested: Path) -> None:
    saved = opened(tested)
    first, second = saved.folder.saved_samples()[:2]
    (tested / "saved" / "preds" / first / "3.npy").unlink()
    with pytest.raises(RunError, match="has 4 truths but 3 predictions; run `simvp test` again"):
        saved.read(first)
    shutil.rmtree(tested / "saved" / "trues" / second)
    with pytest.raises(RunError, match="is missing; make the forecasts again with `simvp test`"):
        saved.read(second)
    (tested / "saved" / "metrics.json").write_text("[]")
    with pytest.raises(
        RunError, match="metrics.json: is damaged .a list, not a table of scores.; run"
    ):
        read_metrics(saved.folder)
