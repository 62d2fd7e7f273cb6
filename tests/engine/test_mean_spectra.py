"""Spectra of saved forecasts."""

from pathlib import Path

import numpy as np

from simvp.data.description import read_description
from simvp.data.sources.frames import write_frames
from simvp.engine.mean_spectra import Spectra, mean_spectra
from simvp.engine.saved_forecasts import SavedForecasts
from simvp.metrics.power import power_spectrum
from simvp.runs import RunFolder


def spectra_of(path: Path) -> Spectra:
    folder = RunFolder(path)
    saved = SavedForecasts(folder, read_description(folder.data_file))
    return mean_spectra(saved, folder.saved_samples(), lambda count, note: None)


def test_frames_with_missing_values_are_left_out(tested: Path) -> None:
    first, second = sorted((tested / "saved" / "trues").iterdir())
    holes = np.stack([np.load(first / f"{step}.npy") for step in range(4)])
    holes[:, 0, 0, 0] = np.nan
    write_frames(first, holes)
    found = spectra_of(tested)
    expected = power_spectrum(np.load(second / "3.npy")[0])
    np.testing.assert_allclose(found.truth[2, 0], expected)
    write_frames(second, holes)
    assert np.isnan(spectra_of(tested).truth).all()


def test_spectra_are_means_over_samples_at_first_middle_and_last_step(tested: Path) -> None:
    found = spectra_of(tested)
    assert found.steps == (0, 1, 3)
    assert found.wavenumbers.shape == (5,)
    for kind, spectra in (("trues", found.truth), ("preds", found.forecast)):
        for position, step in enumerate(found.steps):
            samples = (tested / "saved" / kind).iterdir()
            expected = [power_spectrum(np.load(sample / f"{step}.npy")[0]) for sample in samples]
            np.testing.assert_allclose(spectra[position, 0], np.mean(expected, axis=0))
