"""Static fields, from the option of split to the frames that are read back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers import Simvp, only_split, write_sample
from PIL import Image

from simvp.data import open_source, read_split
from simvp.errors import ConfigError

N, T, H, W = 4, 5, 8, 9


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, np.ndarray]:
    """The arrays of data/run.npz."""
    rng = np.random.default_rng(0)
    arrays = {
        "u": 280 + rng.random((N, T, H, W)),
        "wind": rng.random((N, T, H, W)),
        "depth": 5000 * rng.random((H, W)),
        "viscosity": rng.random(N),
    }
    arrays["depth"][:2, :3] = np.nan
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "run.npz", **arrays)
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def test_split_with_static_fields_is_read_back(
    archive: dict[str, np.ndarray], simvp: Simvp
) -> None:
    options = ("--variables", "u", "--inputs", "wind", "--axes", "ntyx")
    result = simvp("split", "data/run.npz", *options)
    assert "not used: depth; give them to the network with --static depth" in result.stdout
    only_split(Path("data")).unlink()
    result = simvp("split", "data/run.npz", *options, "--static", "depth,viscosity")
    assert "static fields" not in result.stdout
    record = json.loads(only_split(Path("data")).read_bytes())
    assert record["source"]["static"] == ["depth", "viscosity"]
    assert record["inputs"] == ["wind", "depth", "viscosity"]
    split = read_split(only_split(Path("data")))
    assert split.data.channels == ("u", "wind", "depth", "viscosity")
    assert split.statistics is not None
    assert split.statistics.missing == (0, 0, pytest.approx(6 / (H * W)), 0)
    assert split.data.scaling.high[2] == pytest.approx(np.nanmax(archive["depth"]))
    segments = [segment for part in split.parts.values() for segment in part]
    assert len(segments) == N
    for segment in segments:
        number = int(segment.series.id.rpartition("_")[2])
        frames = segment.read_stored(1, 4)
        segment.check_unchanged(frames, 1)
        expected = [archive["u"][number, 1:4], archive["wind"][number, 1:4]]
        constant = (archive["depth"], archive["viscosity"][number])
        expected += [np.broadcast_to(values, (3, H, W)) for values in constant]
        np.testing.assert_array_equal(frames, np.stack(expected, axis=1))


def test_static_fields_are_cropped_and_averaged(
    tmp_path: Path, archive: dict[str, np.ndarray]
) -> None:
    chosen: dict[str, Any] = {"variables": ["u"], "axes": "ntyx", "static": ["depth"]}
    source = open_source(tmp_path / "data" / "run.npz", crop="2:8,3:9", resize="3x3", **chosen)
    blocks = archive["depth"][2:, 3:].reshape(3, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(source.series[0].read(0, 2)[1, 1], blocks, rtol=1e-6)


def test_inputs_and_static_fields_alone_are_refused(
    tmp_path: Path, archive: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "data" / "run.npz"
    with pytest.raises(ConfigError, match="no channel of .* is left to be forecast"):
        open_source(path, variables=[], inputs=["u"], static=["depth"], axes="ntyx")


def write_pictures(folder: Path) -> Path:
    for number in range(T):
        (folder / "a").mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.zeros((H, W), np.uint8))
        image.save(folder / "a" / f"frame_{number}.png")
    return folder


def write_stack(folder: Path) -> Path:
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((T, H, W), np.uint8), metadata={"axes": "TYX"})
    return folder


def write_frames(folder: Path) -> Path:
    write_sample(folder / "a", 0, channels=3)
    return folder


@pytest.mark.parametrize(
    ("write", "kind"), [(write_pictures, "images"), (write_stack, "tiff"), (write_frames, "frames")]
)
@pytest.mark.parametrize("name", ["depth", "2", "value"])  # the last two may be channels
def test_formats_without_static_fields_refuse_the_option(
    tmp_path: Path, write: Any, kind: str, name: str
) -> None:
    path = write(tmp_path / kind)
    message = rf"static: .*{kind} \({kind}\) has no static field '{name}'; leave out --static"
    with pytest.raises(ConfigError, match=message):
        open_source(path, static=[name])


def test_fields_beside_pictures_of_bytes_are_not_scaled_as_bytes(tmp_path: Path) -> None:
    arrays = {"u": np.zeros((T, H, W), np.uint8), "depth": np.zeros((H, W))}
    np.savez(tmp_path / "a.npz", **arrays)
    assert open_source(tmp_path / "a.npz").is_8_bit
    assert not open_source(tmp_path / "a.npz", static=["depth"]).is_8_bit
