"""The folder of a run: which files it replaces, and lookup of saved samples."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TINY, Simvp, run_simvp

from simvp.errors import RunError
from simvp.runs import RunFolder, matching
from simvp.storage import checkpoint


def run_with_samples(folder: Path, *names: str) -> RunFolder:
    for name in names:
        (folder / "saved" / "inputs" / name).mkdir(parents=True)
    return RunFolder(folder)


def test_sample_is_found_by_a_unique_part_of_its_id(tmp_path: Path) -> None:
    run = run_with_samples(tmp_path, "07cf_boiling_2", "18aa_boiling_21", "07dd_boiling_1")
    assert run.find_sample("boiling_2") == "07cf_boiling_2"
    assert run.find_sample("boiling_21") == "18aa_boiling_21"
    assert run.find_sample("07c") == "07cf_boiling_2"
    assert run.find_sample("aa_b") == "18aa_boiling_21"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("07", "2 saved sample ids contain '07': 07cf_boiling_2, 07dd_boiling_1"),
        ("boling_21", "no saved sample id contains 'boling_21'. Did you mean 'boiling_21'"),
        ("../x", "no saved sample id contains"),
        ("", "no saved sample id contains"),
    ],
)
def test_ambiguous_or_unknown_sample_is_rejected(tmp_path: Path, part: str, message: str) -> None:
    run = run_with_samples(tmp_path, "07cf_boiling_2", "18aa_boiling_21", "07dd_boiling_1")
    with pytest.raises(RunError, match=message):
        run.find_sample(part)


def test_matching_does_not_split_numbers() -> None:
    names = ["a1_b_2", "a12_b_21"]
    assert matching("b_2", names) == ["a1_b_2"]
    assert matching("2_b", names) == []
    assert matching("b_", names) == names
    assert matching("a1", names) == names  # prefix of a hash
    assert matching("b_2", names[1:]) == []


def foreign_files(folder: Path) -> dict[Path, str]:
    """Files of a user with names that a run uses as well."""
    files = {
        folder / "pictures" / "holiday.png": "a",
        folder / "saved" / "thesis.tex": "b",
        folder / "checkpoints" / "notes.txt": "c",
        folder / "metrics.csv": "d",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return files


@pytest.mark.parametrize("options", [(), ("--overwrite",), ("--resume",)])
def test_files_of_the_user_are_never_deleted(
    split_data: Path, simvp: Simvp, options: tuple[str, ...]
) -> None:
    files = foreign_files(Path("thesis"))
    where = ("--name", "thesis", "--set", "run.work_dir=.")
    result = simvp("train", "--data-path", "data", *where, *options, *TINY, code=2)
    assert "thesis: contains files that simvp did not write" in result.stderr
    assert {path: path.read_text() for path in Path("thesis").rglob("*.*")} == files


def test_test_with_weights_deletes_no_files_of_the_user(trained: Path, simvp: Simvp) -> None:
    files = foreign_files(Path("thesis"))
    where = ("--name", "thesis", "--set", "run.work_dir=.")
    weights = ("--weights", str(trained / "simvp_model.pth"))
    config = ("--config", str(trained / "config.toml"))
    result = simvp("test", *config, *where, *weights, code=2)
    assert "thesis: contains files that simvp did not write" in result.stderr
    assert {path: path.read_text() for path in Path("thesis").rglob("*.*")} == files


def test_files_added_to_a_run_are_not_deleted(tested: Path, simvp: Simvp) -> None:
    note = tested / "pictures" / "for the paper.png"
    note.parent.mkdir(exist_ok=True)
    note.write_text("edited")
    for command in (["train", "--data-path", "data", "--overwrite", *TINY], ["test"]):
        result = simvp(*command, code=2)
        assert "simvp did not write (pictures/for the paper.png)" in result.stderr
    assert note.read_text() == "edited"
    note.unlink()
    simvp("train", "--data-path", "data", "--overwrite", "--epochs", "1", *TINY)
    assert not (tested / "saved").exists()


def test_resuming_never_deletes_a_finished_run(tested: Path, simvp: Simvp) -> None:
    shutil.rmtree(tested / "checkpoints")  # to free space
    before = {path: path.read_bytes() for path in tested.rglob("*") if path.is_file()}
    result = simvp("train", "--resume", code=2)
    assert "has results but no checkpoints to resume from" in result.stderr
    assert "--name" in result.stderr and "--overwrite" in result.stderr
    assert {path: path.read_bytes() for path in tested.rglob("*") if path.is_file()} == before


def test_run_that_was_killed_in_its_first_epoch_starts_anew(trained: Path, simvp: Simvp) -> None:
    for path in [
        *(trained / "checkpoints").iterdir(),
        *trained.glob("*.csv"),
        *trained.glob("*.pth"),
    ]:
        path.unlink()
    assert "starting a new run" in simvp("train", "--resume").stdout


def test_first_epoch_ends_with_a_checkpoint(split_data: Path, simvp: Simvp) -> None:
    simvp("train", "--data-path", "data", "--epochs", "2", "--checkpoint-interval", "2", *TINY)
    content = checkpoint.load(Path("work_dirs/default/checkpoints/previous.pth"))
    assert content["progress"]["epoch"] == 1


def test_pictures_of_earlier_forecasts_do_not_block_a_run(tested: Path, simvp: Simvp) -> None:
    sample = next((tested / "saved" / "inputs").iterdir()).name
    simvp("viz", sample)
    simvp("viz", sample, "--gif")
    picture = tested / "pictures" / f"{sample}.png"
    picture.rename(picture.with_name("sample of another split.png"))
    simvp("test")
    simvp("train", "--data-path", "data", "--overwrite", "--epochs", "1", *TINY)
    assert not (tested / "pictures").exists()


def test_own_checkpoint_of_the_user_is_kept(trained: Path, simvp: Simvp) -> None:
    own = trained / "checkpoints" / "best_for_paper.pth"
    own.write_text("mine")
    result = simvp("train", "--data-path", "data", "--overwrite", *TINY, code=2)
    assert "did not write (checkpoints/best_for_paper.pth)" in result.stderr
    assert own.read_text() == "mine"


def test_run_is_not_replaced_if_the_new_data_are_damaged(trained: Path, simvp: Simvp) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    frame = next(Path("data").glob("*/3.npy"))
    for file in Path("data").glob("*/3.npy"):
        np.save(file, np.load(frame))
    simvp("train", "--data-path", "data", "--overwrite", *TINY, code=2)
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before


def test_fewer_epochs_than_are_done_are_refused(trained: Path, simvp: Simvp) -> None:
    result = simvp("train", "--resume", "--epochs", "1", code=2)
    assert "--epochs = 1: 2 epochs are done already" in result.stderr


def test_run_that_appears_while_another_waits_for_the_lock_is_kept(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second `train` of the same name finds a free name, and then a finished run."""
    original = RunFolder.lock

    def lock(self: RunFolder, *, is_main: bool) -> Any:
        monkeypatch.undo()
        monkeypatch.chdir(split_data.parent)
        run_simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
        return original(self, is_main=is_main)

    monkeypatch.setattr(RunFolder, "lock", lock)
    result = simvp("train", "--data-path", "data", "--epochs", "2", *TINY, code=2)
    assert "already contains a run" in result.stderr
    assert len(Path("work_dirs/default/metrics.csv").read_text().splitlines()) == 2


def test_restart_does_not_resume_the_run_that_it_replaces(
    trained: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process that is restarted because the first one died before replacing the run."""
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setenv("SIMVP_LAUNCHED", str(time.time()))
    monkeypatch.setattr("simvp.runtime.launcher.exit_after", lambda wait: None)
    new = ("train", "--data-path", "data", "--overwrite", "--epochs", "3", *TINY)
    assert "epoch 1/3" in simvp(*new).stdout
    assert "already complete" in simvp(*new).stdout  # the new run exists by now: resumed
