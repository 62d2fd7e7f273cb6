"""Atomic writes of files and folders."""

import time
from pathlib import Path

import pytest

from simvp.errors import OutputError
from simvp.storage.files import (
    convert_os_errors,
    in_background,
    publish,
    publish_folder,
    publish_text,
    remove_stale,
)


def test_failed_write_leaves_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    publish_text(path, "old")
    with pytest.raises(RuntimeError, match="killed"), publish(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_replaced_completely(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("old", "new"):
        with publish_folder(folder) as temporary:
            (temporary / name).touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_unwritable_path_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written .*; free some disk space, or choose"):
        publish_text(tmp_path / "file" / "below", "text")


def test_stale_temporary_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".simvp-123-latest.pth").touch()
    (tmp_path / ".simvp-123-folder").mkdir()
    (tmp_path / "result").touch()
    remove_stale(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_background_calls_run_in_order_and_raise_their_errors() -> None:
    done: list[int] = []

    def record(number: int) -> None:
        time.sleep(0.001)
        done.append(number)

    with in_background() as call:
        for number in range(20):
            call(record, number)
    assert done == [*range(20)]

    def fail() -> None:
        with convert_os_errors(Path("there")):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), in_background() as call:
        call(fail)
