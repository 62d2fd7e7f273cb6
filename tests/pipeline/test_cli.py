"""The five commands in sequence, and their error messages."""

import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import TINY, Simvp, squeezed, start_program, write_sample

from simvp.data import read_split


def test_all_commands_in_sequence(simvp: Simvp, tmp_path: Path) -> None:
    simulated = simvp("simulate", "--samples", "9", "--frames", "8", "--image-size", "10")
    assert "9 made, 0 were there already" in simulated.stdout
    assert "next: simvp split" in simulated.stdout
    split = simvp("split").stdout
    assert "train 6 48" in squeezed(split)
    assert "test 2 16" in squeezed(split)
    trained = simvp("train", "--epochs", "2", *TINY)
    assert trained.stdout.count("epoch ") >= 2
    assert "next: simvp test" in trained.stdout
    tested = simvp("test")
    assert "2 test windows, 3 frames in, 4 forecast" in tested.stdout
    listed = simvp("viz").stdout
    (split_file,) = Path("boiling_data").glob("*.json")
    ids = [segment.series.id for segment in read_split(split_file).segments("test")]
    assert all(sample_id in listed for sample_id in ids)
    simvp("viz", ids[0][:9], "--cmap", "Purples", "--output", "my picture.png")
    assert iio.imread("my picture.png").ndim == 3
    simvp("viz", ids[0].partition("_")[2], "--gif")
    (gif,) = Path("work_dirs/default/pictures").iterdir()
    assert len(iio.imread(gif)) == 4

    run = Path("work_dirs/default")
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    for name in [
        *("config.toml", "metrics.csv", "simvp_model.pth", "checkpoints/latest.pth"),
        *("checkpoints/epoch_2.pth", "saved/metrics.npy", "saved/metrics.json"),
        *(f"saved/inputs/{ids[0]}/2.npy", f"saved/preds/{ids[1]}/3.npy"),
    ]:
        assert name in found
    assert not [name for name in found if ".simvp-" in name]


def test_train_with_option_test(split_data: Path, simvp: Simvp) -> None:
    result = simvp("train", "--data-path", "data", "--epochs", "1", "--test", *TINY)
    assert "2 test windows" in result.stdout
    at_end = json.loads(Path("work_dirs/default/saved/metrics.json").read_text())
    simvp("test")
    assert json.loads(Path("work_dirs/default/saved/metrics.json").read_text()) == at_end


def test_all_commands_support_several_channels(simvp: Simvp) -> None:
    for index in range(6):
        write_sample(Path(f"data/sample_{index}"), index, frames=7, size=(8, 10), channels=3)
    simvp("split", "--data-path", "data")
    simvp("train", "--data-path", "data", "--epochs", "1", "--test", *TINY)
    (sample,) = Path("work_dirs/default/saved/preds").iterdir()
    assert np.load(sample / "0.npy").shape == (3, 8, 10)
    simvp("viz", "sample", "--channel", "2")
    assert Path(f"work_dirs/default/pictures/{sample.name}_2.png").exists()
    result = simvp("viz", "sample", "--channel", "3", code=2)
    assert "choose one of 0, 1, 2, a number from 0 to 2, or all" in result.stderr


def test_options_override_files_which_override_defaults(simvp: Simvp) -> None:
    Path("simvp.toml").write_text("[train]\nlr = 0.5\nepochs = 7\nbatch_size = 3\n")
    Path("mine.toml").write_text("[train]\nepochs = 8\nbatch_size = 4\n")
    result = simvp("train", "--config", "mine.toml", "--batch-size", "5", "--print-config")
    printed = tomllib.loads(result.stdout)["train"]
    assert (printed["lr"], printed["epochs"], printed["batch_size"]) == (0.5, 8, 5)
    assert printed["seed"] == 0
    assert "batch_size = 5  # from --batch-size" in result.stdout
    again = simvp("train", "--config", "mine.toml", "--batch-size", "auto", "--print-config")
    assert tomllib.loads(again.stdout)["train"]["batch_size"] == "auto"


def test_resume_reads_local_settings_only_if_there_is_no_run(trained: Path, simvp: Simvp) -> None:
    Path("simvp.toml").write_text("[train]\nlr = 0.5\n[run]\ndevice = 'cpu'\n")
    resumed = simvp("train", "--resume", "--print-config").stdout
    assert "lr = 0.5" not in resumed and 'device = "cpu"  # from simvp.toml' in resumed
    started = simvp("train", "--resume", "--name", "new", "--print-config").stdout
    assert "lr = 0.5  # from simvp.toml" in started
    assert 'device = "cpu"  # from simvp.toml' in started


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("split --data-path nowhere", "nowhere: there is no such file or folder"),
        ("split --data-path empty", "empty: is empty"),
        ("split --data-path data --train-ratio 0.9 --val-ratio 0.2", "the sum should be at most 1"),
        ("split data --samples 2 --by series", "2 samples are too few for training, validation"),
        ("split --data-path data --total-length 9", "has 8 frames, but 9"),
        ("train --data-path nowhere", "nowhere: there is no such file or folder"),
        ("train nowhere", "nowhere: there is no such file or folder"),
        ("train --data no.json", "no.json: split file not found"),
        (
            "train --data-path data",
            "samples of the train part have at most 8 frames in a row, but 20 are needed",
        ),
        ("train --data-path data --nproc 0", "error: --nproc = 0: should be greater than or"),
        ("train --data-path data --device cuda", "error: --device = 'cuda'"),
        ("train --set train.epochs=0", "error: --set train.epochs = 0: should be greater"),
        ("train --data-path data --device tpu", "should be auto, cpu, cuda"),
        ("train --data-path data --model-type gsat", "Did you mean 'gsta'?"),
        ("split data --axes tyxx", "error: --axes = 'tyxx'"),
        ("split samples", "error: samples: "),  # a folder, not the option
        ("split data --samples 5000", "error: --samples = 5000: the data contain 11"),
        ("train --config no.toml", "no.toml: config file not found"),
        ("train --set train.lrr=1", "unknown setting. Did you mean 'lr'?"),
        ("train --epoch 3", "No such option: --epoch"),
        ("train --epochs three", "error: --epochs = 'three': should be a valid integer"),
        ("train --resume --overwrite", "cannot be combined"),
        ("trian", "No such command 'trian'"),
        ("train --set train.rate=1", "unknown setting. `simvp train --print-config` lists all"),
        ("test --name other", "run not found"),
        ("test --part val", "'--part': 'val' is not one of 'train', 'validation', 'test'"),
        ("test --steps 0", "'--steps': should be greater than or equal to 1"),
        ("viz --every x", "'--every': should be a valid integer"),
        ("viz x --name other", "run not found"),
    ],
)
def test_user_error_is_one_message(
    command: str, message: str, split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    Path("empty").mkdir()
    before = sorted(Path().rglob("*"))
    extra = TINY if "--device cuda" in command else []
    result = simvp(*command.split(), *extra, code=2)
    assert " ".join(message.split()) in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert sorted(Path().rglob("*")) == before


def test_commands_in_the_wrong_order_name_the_missing_step(split_data: Path, simvp: Simvp) -> None:
    assert "Start it with `simvp train`" in simvp("test", code=2).stderr
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
    assert "Create them with `simvp test`" in simvp("viz", code=2).stderr
    assert "boiling" not in simvp("test").stderr
    assert "Did you mean 'wave_" in simvp("viz", "wav_5", code=2).stderr
    (first, *_) = Path("work_dirs/default/saved/preds").iterdir()
    assert "Did you mean 'viridis'" in simvp("viz", first.name, "--cmap", "virids", code=2).stderr
    Path("x.png").touch()
    assert "x.png: exists" in simvp("viz", first.name, "--output", "x.png", code=2).stderr
    simvp("viz", first.name, "--output", "x.png", "--overwrite")
    assert "ends in .gif" in simvp("viz", first.name, "--gif", "--output", "x.png", code=2).stderr


def test_frame_damaged_after_the_split_stops_training(split_data: Path, simvp: Simvp) -> None:
    (split_file,) = split_data.glob("*.json")
    series = read_split(split_file).segments("train")[2].series
    frame = Path("data") / series.id / "1.npy"
    frame.write_bytes(frame.read_bytes()[:-9])
    result = simvp("train", "--data-path", "data", *TINY, code=2)
    assert f"{frame}: is truncated" in result.stderr


def test_folder_names_with_spaces_and_unicode(simvp: Simvp) -> None:
    for index in range(7):
        write_sample(Path(f"mes données/вихрь {index}"), index)
    simvp("split", "--data-path", "mes données")
    run = ("--name", "essai nº 1")
    simvp("train", "--data-path", "mes données", "--epochs", "1", "--test", *run, *TINY)
    listed = simvp("viz", *run).stdout
    assert "вихрь" in listed
    simvp("viz", "вихрь", *run)


@pytest.mark.parametrize("module", ["simvp.cli", "numpy", "torch"])
def test_interrupt_during_imports_is_one_line(module: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from simvp.__main__ import main\n"
        "sys.argv = ['simvp', 'train']\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (130, "interrupted\n")


def test_interrupt_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """As in a shell script that starts a command in the background."""
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from simvp.__main__ import main\n"
        "os.getcwd = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "--version"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_interrupt_before_a_command_starts_is_one_line(delay: float, tmp_path: Path) -> None:
    process = start_program(["train", "--help"])
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "interrupted\n")
