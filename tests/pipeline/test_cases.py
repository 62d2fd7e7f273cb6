"""Small data sets of each kind, with the values that they hold: tests/cases/expected.json."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TESTS, Simvp, only_split, write_sample

from simvp.data import Segment, Source, open_source, read_split
from simvp.data.batches import WindowDataset

CASES = TESTS / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())

# The path of each case, and the options that it needs.
PATHS: dict[str, tuple[str, dict[str, str]]] = {
    "mmnist_npy": ("mmnist_npy/mnist_test_seq.npy", {"axes": "tnyx"}),
    "zscored": ("zscored/anom.npy", {"axes": "ntyx"}),
    "ocean_zarr": ("ocean_zarr/ocean.zarr", {}),
    "ocean_nc": ("ocean_zarr/ocean.nc", {}),
    "well_hdf5": ("well_hdf5/active_demo_train.hdf5", {}),
    "png_folders": ("png_folders", {}),
    "radar_norain": ("radar_norain/radar.npz", {"axes": "ntyx"}),
}


def expected_of(case: str) -> dict[str, Any]:
    return EXPECTED["ocean_zarr" if case == "ocean_nc" else case]


def frames_of(source: Source) -> np.ndarray:
    """All frames in physical values, (N, T, C, H, W), in order of the ids."""
    return np.stack([series.read(0, series.length) for series in source.series])


def check(case: str, frames: np.ndarray) -> None:
    expected = expected_of(case)
    assert list(frames.shape) == expected["as_samples_frames_channels_rows_cols"]
    assert np.nanmin(frames) == pytest.approx(expected["min"], abs=1e-6)
    assert np.nanmax(frames) == pytest.approx(expected["max"], abs=1e-6)
    assert np.nanmean(frames, dtype=float) == pytest.approx(expected["mean"], abs=1e-6)
    value = frames[tuple(expected["at"]["index"])]
    assert value == pytest.approx(expected["at"]["value"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", PATHS)
def test_source_reads_the_expected_values(case: str) -> None:
    path, options = PATHS[case]
    frames = frames_of(open_source(CASES / path, **options))  # type: ignore[arg-type]
    # The values of this case are given as fractions of 255; 8-bit values are read as they are.
    check(case, frames / 255 if case == "mmnist_npy" else frames)


@pytest.mark.parametrize("case", PATHS)
def test_split_reads_the_expected_values(case: str, tmp_path: Path, simvp: Simvp) -> None:
    """The parts, put together again."""
    path, options = PATHS[case]
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    simvp("split", str(CASES / path), *arguments, "--output", str(tmp_path / "split"))
    split = read_split(only_split(tmp_path / "split"))
    segments = [segment for part in split.parts.values() for segment in part]
    segments.sort(key=lambda segment: (segment.series.id, segment.start))
    pieces = [segment.series.read(segment.start, segment.stop) for segment in segments]
    shape = expected_of(case)["as_samples_frames_channels_rows_cols"]
    frames = np.concatenate(pieces).reshape(shape)
    if case == "mmnist_npy":
        assert split.data.scaling.high == (255.0,)
        frames = split.data.scaling.to_unit(frames)
    check(case, frames)


def test_units_and_land_of_the_ocean() -> None:
    source = open_source(CASES / PATHS["ocean_zarr"][0])
    units = [source.card.channel(name).unit for name in source.channels]
    assert units == EXPECTED["ocean_zarr"]["unit"]
    land = np.isnan(frames_of(source))
    assert (land == land[0, 0, 0]).all() and land[0, 0, 0].sum() == 228


def test_channels_and_boundaries_of_the_well() -> None:
    source = open_source(CASES / PATHS["well_hdf5"][0])
    assert source.channels == ("density", "velocity_x", "velocity_y")
    assert (source.card.boundary_y, source.card.boundary_x) == ("periodic", "reflect")


def test_outlier_of_zscored_is_where_it_was_put() -> None:
    path, options = PATHS["zscored"]
    frames = frames_of(open_source(CASES / path, axes=options["axes"]))
    assert [int(i) for i in np.unravel_index(frames.argmax(), frames.shape)] == [3, 5, 0, 10, 10]


def test_outlier_of_zscored_is_reported_and_can_be_left_out(tmp_path: Path, simvp: Simvp) -> None:
    path, options = PATHS["zscored"]
    command = ("split", str(CASES / path), "--axes", options["axes"], "--output")
    assert (
        "warning: value is scaled by its range, -0.7509 to 37.5, but 99.8 % of its values are from "
        "-0.7509 to 3.815 in training"
    ) in simvp(*command, str(tmp_path / "auto")).stdout
    result = simvp(*command, str(tmp_path / "quantile"), "--scale", "quantile")
    assert "warning" not in result.stdout
    split = read_split(only_split(tmp_path / "quantile"))
    training = np.stack([s.series.read(s.start, s.stop) for s in split.segments("train")])
    limits = np.quantile(training.astype(np.float64), [0.001, 0.999])
    scaling = split.data.scaling
    np.testing.assert_allclose([scaling.low[0], scaling.high[0]], limits, rtol=1e-6)
    assert scaling.to_unit(training).max() == pytest.approx(8.4, abs=0.1)  # not clipped


@pytest.mark.parametrize("case", [case for case in PATHS if case != "zscored"])
def test_usual_data_are_not_warned_of(case: str, tmp_path: Path, simvp: Simvp) -> None:
    """Also where frames without rain are equal, and most values are 0."""
    path, options = PATHS[case]
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    result = simvp("split", str(CASES / path), *arguments, "--output", str(tmp_path))
    assert "warning" not in result.stdout


@pytest.mark.parametrize(("stride", "windows"), [(12, 27), (1, 269)])
def test_windows_of_irregular_lengths(tmp_path: Path, stride: int, windows: int) -> None:
    """All samples in one part: 12 lengths, windows of 12 frames."""
    lengths = EXPECTED["irregular_lengths"]["frames"]
    for index, length in enumerate(lengths):
        write_sample(tmp_path / "data" / f"run_{index:02}", index, frames=length, size=(32, 32))
    source = open_source(tmp_path / "data")
    assert [series.length for series in source.series] == lengths
    segments = [Segment(series, 0, series.length) for series in source.series]
    dataset = WindowDataset(segments, window=12, stride=stride, scaling=None)
    assert len(dataset) == windows


def test_score_on_red_noise_is_honest(tmp_path: Path, simvp: Simvp) -> None:
    """Little can be predicted: chronological parts scored 2.96, against 3.54 of persistence.

    Windows that overlap and are assigned at random scored 1.32, because 339 of 340 test frames
    were training frames.
    """
    shutil.copy(CASES / "leak_rednoise" / "series.npy", tmp_path)
    simvp("split", "series.npy")
    split = read_split(only_split(tmp_path))
    frames = {
        part: {frame for segment in segments for frame in segment.frames}
        for part, segments in split.parts.items()
    }
    contents = {
        part: {digits for segment in segments for digits in segment.checksums}
        for part, segments in split.parts.items()
    }
    for found in (frames, contents):
        assert not found["train"] & found["test"] and not found["train"] & found["validation"]
        assert not found["validation"] & found["test"]
    lengths = ("--pre-seq-length", "5", "--aft-seq-length", "5", "--epochs", "4")
    size = ("--set", "model.hid_S=8", "--set", "model.hid_T=16", "--set", "model.N_T=2")
    simvp("train", "--data-path", "series.npy", *lengths, *size)
    simvp("test")
    record = json.loads(Path("work_dirs/default/saved/metrics.json").read_text())
    assert record["persistence"]["mse"] == pytest.approx(3.51, abs=0.01)
    assert 2.0 < record["mse"] < 3.6
