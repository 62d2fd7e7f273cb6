"""The data card: invalid entries, and defaults of training that follow from it."""

from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, Simvp, only_split

from simvp.config import read_layer
from simvp.data import augmentation, open_source, read_split
from simvp.data.card import card_path, read_card
from simvp.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boundary_x = 'round'", "boundary_x = 'round': should be 'zeros', 'periodic'"),
        ("boundry_x = 'zeros'", "boundry_x: there is no such entry .* Did you mean 'boundary_x'"),
        ("low = 3", "low = 3 is not below high = 1"),
        ("symmetries = ['roll']", "the symmetry roll needs both boundaries to be periodic"),
        ("symmetries = ['spin']", r"symmetries = 'spin': should be 'roll'"),
        (
            "boundary_x = 'periodic'\nsymmetries = ['rot90']",
            "the symmetry rot90 needs both boundaries",
        ),
        ("low = ", r"is not valid TOML: .*\nMove it, and `simvp split DATA --write-card` writes"),
        ("vectors = [['u']]", r"vectors = \['u'\]: List should have at least 2 items"),
        (
            "vectors = [['u', 'v'], ['w', 'u']]",
            "vectors: names 'u' twice; a channel is in one pair",
        ),
        ("vectors = [['u', 'u']]", "vectors: names 'u' twice"),
    ],
)
def test_invalid_card_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"dataset.toml: {message}"):
        read_card(tmp_path / "dataset.toml")


def test_card_is_in_the_folder_or_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "store.zarr").mkdir()
    (tmp_path / "store.zarr" / ".zgroup").touch()
    (tmp_path / "run[1].nc").touch()
    places = {
        ".": "dataset.toml",
        "sst_*.nc": "dataset.toml",
        "sst_201?.nc": "dataset.toml",
        "run[1].nc": "run[1].toml",
        "sst.nc": "sst.toml",
        "store.zarr": "store.toml",
    }
    found = {name: card_path(tmp_path / name) for name in places}
    assert found == {name: tmp_path / card for name, card in places.items()}


def test_training_uses_the_card_of_simulated_data(simvp: Simvp) -> None:
    simvp("simulate", "--samples", "6", "--frames", "7", "--image-size", "10")
    simvp("split")
    result = simvp("train", "--epochs", "1", *TINY)
    assert "boundary: periodic; augmented by roll,flip_x,flip_y,rot90" in result.stdout
    saved = read_layer(Path("work_dirs/default/config.toml")).tables
    assert saved["model"]["boundary"] == "periodic,periodic"
    assert saved["train"]["augment"] == "roll,flip_x,flip_y,rot90"
    # A run keeps its settings if the card changes later.
    Path("boiling_data/dataset.toml").unlink()
    simvp("test")
    published = ("--set", "model.boundary=zeros", "--set", "train.augment=none")
    result = simvp("train", "--epochs", "1", "--name", "published", *published, *TINY)
    assert "boundary: zeros; no augmentation" in result.stdout


def test_defaults_without_a_card(split_data: Path, simvp: Simvp) -> None:
    result = simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
    assert "boundary: zeros; no augmentation" in result.stdout


def test_vectors_are_pairs_of_channels(data: Path, simvp: Simvp) -> None:
    for file in data.glob("*/*.npy"):
        np.save(file, np.repeat(np.load(file), 3, axis=0))
    card = data / "dataset.toml"
    names = "[channels.t]\n[channels.u]\n[channels.v]\n"
    card.write_text(f"vectors = [['u', 'v']]\n{names}")
    simvp("split", "data")
    split = read_split(data)
    assert [vector.channels for vector in augmentation.vectors(split.data)] == [(1, 2)]
    card.write_text(f"vectors = [['w', 'v']]\n{names}")
    message = r"dataset.toml: vectors: there is no channel 'w', only t, u, v\."
    with pytest.raises(ConfigError, match=message):
        open_source(data)
    with pytest.raises(ConfigError, match=message):  # the card is read again with the split
        read_split(split.path)


def test_vectors_of_channels_that_are_not_selected_are_ignored(
    tmp_path: Path, simvp: Simvp
) -> None:
    values = np.random.default_rng(0).random((3, 40, 8, 9), dtype=np.float32)
    np.savez(tmp_path / "wind.npz", t=values[0], u=values[1], v=values[2])
    (tmp_path / "wind.toml").write_text("vectors = [['u', 'v']]\n")
    simvp("split", "wind.npz", "--variables", "t")
    assert augmentation.vectors(read_split(only_split(tmp_path)).data) == []
    refused = simvp("split", "wind.npz", "--variables", "t,u", code=2)
    assert "no channel 'v', only t, u. Use both components of u, v, or neither" in refused.stderr


def test_rot90_of_non_square_frames_is_refused(split_data: Path, simvp: Simvp) -> None:
    (split_data / "dataset.toml").write_text("symmetries = ['rot90']\n")
    assert "rot90 needs square frames" in simvp("split", "--data-path", "data", code=2).stderr
    result = simvp("train", "--data-path", "data", *TINY, code=2)
    needs = "the symmetry rot90 needs square frames, but they are 9x11"
    assert f"data/dataset.toml: {needs}" in result.stderr
    given = simvp("train", "--data-path", "data", *TINY, "--set", "train.augment=rot90", code=2)
    assert f"train.augment: {needs}" in given.stderr
    assert not Path("work_dirs").exists()
