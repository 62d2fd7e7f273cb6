"""Atomic writes of files and folders."""

import errno
import os
import re
import time
from pathlib import Path

import pytest

from simvp.errors import OutputError
from simvp.storage.files import (
    check_writable,
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


def test_path_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    advice = f"; {file} is a file, not a folder; choose another path"
    with pytest.raises(OutputError, match=re.escape(advice)):
        publish_text(file / "below", "text")
    for folder in (file, file / "below" / "further"):
        with pytest.raises(
            OutputError, match=re.escape(f"{folder}: cannot be written (Not a directory){advice}")
        ):
            check_writable(folder)
    assert list(tmp_path.iterdir()) == [file]


def test_folders_that_can_be_created_are_writable(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some disk space, or choose a folder on another disk"),
        (errno.EACCES, "choose a writable folder"),
        (errno.EROFS, "choose a writable folder"),
        (errno.ENOENT, "choose another path"),
        (errno.ENAMETOOLONG, "choose another path"),
        (errno.EISDIR, "it is a folder, choose another name"),
    ],
)
def test_advice_fits_the_reason(tmp_path: Path, number: int, advice: str) -> None:
    expected = f"{tmp_path}: cannot be written ({os.strerror(number)}); {advice}"
    with pytest.raises(OutputError) as raised, convert_os_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert str(raised.value) == expected


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
