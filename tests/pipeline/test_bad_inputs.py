"""Invalid inputs: each causes one message, exit code 2 and no partial output.

A case consists of its name, a function that damages valid data or a valid run, the
command, and a pattern that the message has to match.
"""

import io
import json
import os
import pickle
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, Simvp, write_sample

Prepare = Callable[[], Any]

TRAIN = ["train", "--data-path", "data", "--epochs", "1", *TINY]
SPLIT = ["split", "--data-path", "data"]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('exploded', 'w')",))


def sample() -> Path:
    return sorted(Path("data").glob("*_wave_*"))[0]


def frame() -> Path:
    return sample() / "3.npy"


def split_file() -> Path:
    (path,) = Path("data").glob("*_loaders.json")
    return path


def edit_split(change: Callable[[dict[str, Any]], Any]) -> None:
    record = json.loads(split_file().read_text())
    change(record)
    split_file().write_text(json.dumps(record))


def save(array: Any, **options: Any) -> Prepare:
    return lambda: np.save(frame(), array, **options)


def write(content: bytes) -> Prepare:
    return lambda: frame().write_bytes(content)


def toml(text: str) -> Prepare:
    return lambda: Path("c.toml").write_text(text)


def replace_frame(make: Callable[[Path], Any]) -> Prepare:
    def prepare() -> None:
        path = frame()
        path.unlink()
        make(path)

    return prepare


def header_only() -> bytes:
    np.save("huge.npy", np.zeros((1, 9, 11)))
    good = Path("huge.npy").read_bytes()[:128]
    Path("huge.npy").unlink()
    return good.replace(b"(1, 9, 11), }  ", b"(65536, 65536), }")[:128]


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=Z)
    return file.getvalue()


def nothing() -> None:
    pass


Z = np.zeros((1, 9, 11))
NOT_NPY = "3.npy: is truncated, or not an .npy file of numbers"
CONFIG = [*TRAIN, "--config", "c.toml"]

DATA_AND_CONFIG: list[tuple[str, Prepare, list[str], str]] = [
    ("missing-config-file", nothing, CONFIG, "c.toml: config file not found"),
    ("invalid-toml", toml("[train]\nlr = = 3"), CONFIG, "c.toml: is not valid TOML: .*line 2"),
    ("unknown-setting", toml("[train]\nlrr = 1"), CONFIG, "c.toml: train.lrr.*Did you mean 'lr'"),
    (
        "string-for-number",
        toml("[train]\nlr = '1'"),
        CONFIG,
        "train.lr = '1': should be auto or a positive number",
    ),
    (
        "string-for-boolean",
        toml("[split]\nreverse = 'yes'"),
        CONFIG,
        "split.reverse = 'yes'.*boolean",
    ),
    (
        "learning-rate-nan",
        toml("[train]\nlr = nan"),
        CONFIG,
        "train.lr = nan: should be a finite number",
    ),
    (
        "learning-rate-inf",
        toml("[train]\nlr = inf"),
        CONFIG,
        "train.lr = inf: should be a finite number",
    ),
    (
        "learning-rate-overflow",
        toml("[train]\nlr = 1e400"),
        CONFIG,
        "train.lr = inf: should be a finite number",
    ),
    (
        "learning-rate-0",
        nothing,
        [*TRAIN, "--lr", "0"],
        "--lr = 0.0: should be auto or a positive number",
    ),
    ("batch-size-0", nothing, [*TRAIN, "--batch-size", "0"], "--batch-size = 0"),
    ("negative-epochs", nothing, [*TRAIN, "--epochs", "-1"], "--epochs = -1"),
    ("N_S-0", nothing, [*TRAIN, "--set", "model.N_S=0"], "model.N_S = 0"),
    ("N_S-odd", nothing, [*TRAIN, "--set", "model.N_S=3"], "N_S = 3: should be auto or an even"),
    (
        "N_T-1",
        nothing,
        [*TRAIN, "--set", "model.N_T=1"],
        "N_T = 1: should be auto or an integer",
    ),
    ("hid_S-odd", nothing, [*TRAIN, "--set", "model.hid_S=5"], "hid_S = 5: should be even"),
    (
        "batch-larger-than-data",
        nothing,
        [*TRAIN, "--batch-size", "8"],
        "there are 7 training windows.*7 or less",
    ),
    (
        "device-not-available",
        nothing,
        [*TRAIN, "--device", "cuda"],
        "--device = 'cuda': .*--device cpu",
    ),
    ("nproc-0", nothing, [*TRAIN, "--nproc", "0"], "--nproc = 0"),
    ("nproc-negative", nothing, [*TRAIN, "--nproc", "-2"], "--nproc = -2"),
    ("no-input-frames", nothing, [*TRAIN, "--pre-seq-length", "0"], "--pre-seq-length = 0"),
    (
        "no-frames-to-forecast",
        nothing,
        [*TRAIN, "--aft-seq-length", "0"],
        "--aft-seq-length = 0",
    ),
    (
        "integer-of-5000-digits",
        toml(f"[train]\nseed = {'9' * 5000}"),
        CONFIG,
        "c.toml: is not valid TOML",
    ),
    (
        "data-folder-missing",
        nothing,
        ["split", "--data-path", "no"],
        "no: there is no such file or folder",
    ),
    (
        "data-folder-is-a-file",
        lambda: Path("f").write_text("no data"),
        ["split", "--data-path", "f"],
        "f: expected a folder.*found a file",
    ),
    ("data-file-empty", lambda: Path("e.nc").touch(), ["split", "e.nc"], "e.nc: is empty"),
    ("data-folder-empty", lambda: Path("e").mkdir(), ["split", "--data-path", "e"], "e: is empty"),
    (
        "sample-without-frames",
        lambda: (Path("data") / "new").mkdir(),
        SPLIT,
        "new: contains no frames",
    ),
    ("frame-missing", lambda: frame().unlink(), SPLIT, "3.npy is missing although there is 7.npy"),
    (
        "file-that-is-no-frame",
        lambda: np.save(sample() / "mean.npy", Z),
        SPLIT,
        "mean.npy: is not a frame numb",
    ),
    (
        "frame-number-with-leading-zero",
        lambda: np.save(sample() / "00.npy", Z),
        SPLIT,
        "00.npy: is not a frame number",
    ),
    ("frame-empty", write(b""), SPLIT, NOT_NPY),
    ("frame-of-text", write(b"hello there"), SPLIT, NOT_NPY),
    ("frame-of-png", write(b"\x89PNG\r\n\x1a\n"), SPLIT, NOT_NPY),
    ("frame-of-pickle", write(pickle.dumps(Bomb())), SPLIT, NOT_NPY),
    ("frame-truncated", lambda: os.truncate(frame(), 300), SPLIT, NOT_NPY),
    (
        "frame-with-trailing-bytes",
        lambda: frame().write_bytes(frame().read_bytes() + b"x"),
        SPLIT,
        "3.npy: has 525 bytes, but its header says 524",
    ),
    (
        "frame-of-npz",
        lambda: frame().write_bytes(archive()),
        SPLIT,
        "3.npy: is an .npz archive",
    ),
    (
        "frame-of-objects",
        save(np.array([Bomb()]), allow_pickle=True),
        SPLIT,
        "3.npy: holds Python objects, which are never loaded",
    ),
    (
        "frame-complex",
        save(Z.astype(complex)),
        SPLIT,
        "3.npy: holds complex128; frames are integers",
    ),
    ("frame-of-strings", save(np.array([["a"]])), SPLIT, "3.npy: holds <U1"),
    ("frame-of-datetimes", save(np.zeros((9, 11), "M8[s]")), SPLIT, "3.npy: holds datetime64"),
    ("frame-structured", save(np.zeros((9, 11), [("a", "f4")])), SPLIT, "3.npy: holds"),
    ("frame-boolean", save(np.zeros((9, 11), bool)), SPLIT, "3.npy: holds bool"),
    ("frame-without-axes", save(np.zeros(())), SPLIT, r"3.npy: has shape \(\)"),
    ("frame-of-size-0", save(np.zeros((1, 0, 11))), SPLIT, r"3.npy: has shape \(1, 0, 11\)"),
    (
        "shapes-differ-within-sample",
        save(np.zeros((1, 11, 9))),
        SPLIT,
        r"3.npy: has shape \(1, 11, 9\)",
    ),
    (
        "shapes-differ-across-samples",
        lambda: write_sample(Path("data/zz"), 0, size=(11, 9)),
        SPLIT,
        r"all samples need one shape",
    ),
    (
        "all-frames-nan",
        lambda: [np.save(file, Z + np.nan) for file in Path("data").glob("*/*.npy")],
        SPLIT,
        "data: value has no values in the training part",
    ),
    ("frame-inf", save(Z + np.inf), SPLIT, "99 of 99 values are not finite"),
    (
        "value-outside-card-range",
        lambda: [save(Z + 212.0)(), Path("data/dataset.toml").write_text("high = 212.0")],
        SPLIT,
        "values from .* to 212, but low and high at the top of .*mean that all values are scaled",
    ),
    ("frame-header-of-16-GiB", lambda: frame().write_bytes(header_only()), SPLIT, NOT_NPY),
    ("frame-is-a-folder", replace_frame(Path.mkdir), SPLIT, "3.npy: expected the file of a frame"),
    ("frame-is-a-fifo", replace_frame(os.mkfifo), SPLIT, "3.npy: expected the file of a frame"),
    (
        "frame-is-a-dangling-link",
        replace_frame(lambda path: path.symlink_to("nowhere")),
        SPLIT,
        "3.npy: expected the file of a frame",
    ),
    ("simulate-0-samples", nothing, ["simulate", "--samples", "0"], "--samples = 0"),
    (
        "simulate-negative-size",
        nothing,
        ["simulate", "--image-size", "-3"],
        "--image-size = -3",
    ),
    (
        "simulate-larger-than-disk",
        nothing,
        ["simulate", "--samples", "1000000000", "--image-size", "4096"],
        "boiling_data: 1000000000 samples need .* GB are free",
    ),
    ("ratio-negative", nothing, [*SPLIT, "--val-ratio", "-0.1"], "--val-ratio = -0.1"),
    ("ratio-nan", nothing, [*SPLIT, "--val-ratio", "nan"], "--val-ratio = nan"),
    ("ratios-above-1", nothing, [*SPLIT, "--train-ratio", "0.9"], "the sum should be at most 1"),
    (
        "too-few-samples",
        nothing,
        [*SPLIT, "--samples", "2", "--by", "series"],
        "2 samples are too few for training, validation and test",
    ),
    (
        "total-length-beyond-end",
        nothing,
        [*SPLIT, "--start-index", "3", "--total-length", "6"],
        "6 from frame 3",
    ),
    (
        "split-file-not-json",
        lambda: split_file().write_text("{"),
        TRAIN,
        "is not a split file: not JSON",
    ),
    ("split-file-not-utf8", lambda: split_file().write_bytes(b'{"\xff"'), TRAIN, "not JSON"),
    ("split-file-empty", lambda: split_file().write_text(""), TRAIN, "not JSON"),
    ("split-file-deeply-nested", lambda: split_file().write_text("[" * 100_000), TRAIN, "not JSON"),
    (
        "split-part-missing",
        lambda: edit_split(lambda r: r.pop("validation")),
        TRAIN,
        "no validation sampl",
    ),
    (
        "split-part-empty",
        lambda: edit_split(lambda r: r["train"].update(segments=[])),
        TRAIN,
        "no train samples",
    ),
    (
        "split-entry-of-wrong-type",
        lambda: edit_split(lambda r: r["train"]["segments"][0].update(series=3)),
        TRAIN,
        "train.segments.0.series: should be a valid string",
    ),
    *(
        (
            f"split-entry-with-{name}",
            lambda path=path: edit_split(lambda r: r["train"]["segments"][0].update(series=path)),
            TRAIN,
            "is listed in .*, but there is no such sample",
        )
        for name, path in [("dots", "a/../b"), ("nul", "a\0b"), ("newline", "a\nb")]
    ),
    *(
        (
            f"old-split-entry-with-{name}",
            lambda path=path: split_file().write_text(json.dumps({"train": {"samples": [[path]]}})),
            TRAIN,
            "is not a split file: train.samples.0.0: ",
        )
        for name, path in [("dots", "a/../0.npy"), ("nul", "a/\0.npy"), ("newline", "a\n/0.npy")]
    ),
    (
        "sample-in-two-parts",
        lambda: edit_split(lambda r: r["test"].update(segments=r["train"]["segments"])),
        TRAIN,
        "is listed in train and again in test",
    ),
    (
        "sample-deleted",
        lambda: shutil.rmtree(sample()),
        TRAIN,
        "is listed in .*, but there is no such sample",
    ),
    (
        "too-few-frames",
        nothing,
        [*TRAIN, "--pre-seq-length", "5"],
        "at most 8 frames in a row, but 9 are needed",
    ),
    (
        "split-file-of-pickles",
        lambda: split_file().write_text('{"train": {"samples": [["a/1.pkl"]]}}'),
        TRAIN,
        "is not a split file: train.samples.0.0: ",
    ),
]


@pytest.mark.parametrize(
    ("prepare", "command", "message"),
    [case[1:] for case in DATA_AND_CONFIG],
    ids=[case[0] for case in DATA_AND_CONFIG],
)
def test_invalid_data_or_config(
    prepare: Prepare,
    command: list[str],
    message: str,
    split_data: Path,
    simvp: Simvp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    prepare()
    before = sorted(Path().rglob("[!.]*"))
    result = simvp(*command, code=2)
    check_message(result, message)
    assert sorted(Path().rglob("[!.]*")) == before
    assert not Path("exploded").exists()


def test_changed_frames_stop_training(split_data: Path, simvp: Simvp) -> None:
    """They are detected when the sample is read, after the run folder has been created."""
    for path in split_data.rglob("2.npy"):
        np.save(path, Z)
    check_message(simvp(*TRAIN, code=2), "have changed since")


def check_message(result: Any, message: str) -> None:
    assert result.stderr.startswith("error: "), result.stderr
    assert re.search(message, result.stderr, re.DOTALL), result.stderr
    assert "Traceback" not in result.output


BEST = Path("work_dirs/default/simvp_model.pth")
LATEST = Path("work_dirs/default/checkpoints/latest.pth")
TEST = ["test"]
RESUME = ["train", "--resume", "--epochs", "9"]


def edit_weights(change: Callable[[dict[str, Any]], Any]) -> Prepare:
    def prepare() -> None:
        weights = dict(torch.load(BEST, weights_only=True))
        change(weights)
        torch.save(weights, BEST)

    return prepare


def drop_checkpoints(replacement: Callable[[], Any]) -> Prepare:
    def prepare() -> None:
        for path in LATEST.parent.iterdir():
            path.unlink()
        replacement()

    return prepare


def newer_format() -> None:
    content = torch.load(LATEST, weights_only=True)
    for path in LATEST.parent.iterdir():
        path.unlink()
    torch.save({**content, "format": 99}, LATEST)


def spoil(weights: dict[str, Any]) -> None:
    next(iter(weights.values())).fill_(torch.nan)


def first_saved() -> Path:
    return sorted(Path("work_dirs/default/saved/preds").iterdir())[0]


RUNS_AND_WEIGHTS: list[tuple[str, Prepare, list[str], str]] = [
    ("weights-missing", BEST.unlink, TEST, "simvp_model.pth: there is no such checkpoint"),
    ("weights-are-a-folder", nothing, ["test", "--weights", "data"], "data: is a folder; name a"),
    ("weights-truncated", lambda: os.truncate(BEST, 2000), TEST, "simvp_model.pth: is damaged"),
    (
        "weights-without-names",
        lambda: torch.save([1, 2], BEST),
        TEST,
        "expected a dictionary of tensors",
    ),
    ("weights-missing-tensor", edit_weights(dict.popitem), TEST, "(missing|unexpected)"),
    (
        "weights-unexpected-tensor",
        edit_weights(lambda w: w.update(extra=torch.zeros(1))),
        TEST,
        "extra: unexpected",
    ),
    (
        "weights-wrong-shape",
        edit_weights(lambda w: w.update({"decoder.readout.bias": torch.zeros(3)})),
        TEST,
        r"decoder.readout.bias: has shape \[3\], expected \[1\]",
    ),
    (
        "weights-of-another-network",
        nothing,
        [*TEST, "--set", "model.hid_T=12"],
        "do not match the network",
    ),
    (
        "weights-with-code",
        lambda: torch.save({"w": Bomb()}, BEST),
        TEST,
        "objects other than tensors and plain data",
    ),
    (
        "checkpoint-of-newer-format",
        newer_format,
        RESUME,
        "has checkpoint format 99, but this version of simvp reads format 1",
    ),
    (
        "checkpoint-without-training-state",
        drop_checkpoints(lambda: LATEST.write_bytes(BEST.read_bytes())),
        RESUME,
        "contains weights but no training state",
    ),
    ("weights-not-finite", edit_weights(spoil), TEST, "tensors contain NaN or infinite values"),
    ("sample-unknown", nothing, ["viz", "wave_99"], "no saved sample id contains 'wave_99'"),
    ("sample-misspelled", nothing, ["viz", "wav_1"], "Did you mean 'wave_"),
    ("sample-parent-folder", nothing, ["viz", "../x"], "no saved sample id contains '../x'"),
    ("sample-absolute-path", nothing, ["viz", "/etc"], "no saved sample id contains '/etc'"),
    ("sample-dot", nothing, ["viz", "."], "no saved sample id contains '.'"),
    ("sample-empty", nothing, ["viz", ""], "no saved sample id contains ''"),
    (
        "frame-counts-differ",
        lambda: (first_saved() / "3.npy").unlink(),
        ["viz", "PICK"],
        "has 4 truths but 3 predictions",
    ),
    (
        "colour-map-misspelled",
        nothing,
        ["viz", "PICK", "--cmap", "virids"],
        "Did you mean 'viridis'",
    ),
    (
        "output-exists",
        Path("x.png").touch,
        ["viz", "PICK", "--output", "x.png"],
        "x.png: exists; choose another --output",
    ),
]


@pytest.mark.parametrize(
    ("prepare", "command", "message"),
    [case[1:] for case in RUNS_AND_WEIGHTS],
    ids=[case[0] for case in RUNS_AND_WEIGHTS],
)
def test_invalid_run_or_weights(
    prepare: Prepare, command: list[str], message: str, tested: Path, simvp: Simvp
) -> None:
    prepare()
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("[!.]*") if path.is_file()}
    command = [first_saved().name if part == "PICK" else part for part in command]
    check_message(simvp(*command, code=2), message)
    after = {path: path.stat().st_mtime_ns for path in Path().rglob("[!.]*") if path.is_file()}
    assert after == before
    assert not Path("exploded").exists()


def test_occupied_rendezvous_port_is_refused(split_data: Path, simvp: Simvp) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ["--nnodes", "2", "--rdzv-endpoint", endpoint]
        check_message(simvp(*TRAIN, *options, code=2), f"'{endpoint}': rendezvous failed")


def test_hidden_files_are_ignored(data: Path, simvp: Simvp) -> None:
    (sample() / ".DS_Store").touch()
    simvp(*SPLIT)


def test_frame_may_be_a_symbolic_link(data: Path, simvp: Simvp) -> None:
    path = frame()
    path.rename("elsewhere.npy")
    path.symlink_to(Path("elsewhere.npy").absolute())
    simvp(*SPLIT)


def test_frame_without_read_permission_is_refused(
    data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is simulated, because root can read every file."""
    real = open

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("3.npy"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", refuse)
    check_message(simvp(*SPLIT, code=2), "3.npy: cannot be read .Permission denied")


def test_one_frame_of_many_channels_in_all_commands(simvp: Simvp) -> None:
    for index in range(6):
        write_sample(Path(f"data/s{index}"), index, frames=2, size=(8, 9), channels=20)
    simvp(*SPLIT)
    lengths = ["--pre-seq-length", "1", "--aft-seq-length", "1"]
    simvp(*TRAIN, *lengths, "--test")
    simvp("viz", "s", "--channel", "19")
