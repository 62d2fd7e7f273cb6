"""Files of a folder."""

from pathlib import Path

import pytest

from simvp.data.listing import files_in, files_of, main_files
from simvp.errors import DataError


def test_files_are_in_natural_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("f_10.png", "f_9.PNG", "f_100.png", "._f_9.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "f_101.png").symlink_to("gone.png")
    names = ["f_9.PNG", "f_10.png", "f_100.png", "f_101.png"]
    assert files_in(tmp_path, (".png",)) == names
    assert files_of(tmp_path, (".png",)) == [tmp_path / name for name in names]
    assert files_of(tmp_path / "notes.txt", (".png",)) == [tmp_path / "notes.txt"]


def test_files_are_the_main_ones_if_there_are_fewer_others(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.txt"):
        (tmp_path / name).touch()
    assert main_files(tmp_path, (".png",)) == ["a.png", "b.png"]
    (tmp_path / "folder").mkdir()
    assert main_files(tmp_path, (".png",)) == []


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: cannot be read \(No such file"):
        files_in(tmp_path / "gone", (".png",))
