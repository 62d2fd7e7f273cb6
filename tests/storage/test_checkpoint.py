"""Checkpoint files: damage, code inside them, atomic writes."""

import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from simvp.errors import RunError
from simvp.storage import checkpoint


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code in a file was run')",))


def test_latest_links_to_the_newest_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "epoch_1.pth", {"x": torch.arange(3)})
    checkpoint.link(tmp_path / "epoch_1.pth", tmp_path / "latest.pth")
    checkpoint.save(tmp_path / "epoch_2.pth", {"x": torch.arange(4)})
    checkpoint.link(tmp_path / "epoch_2.pth", tmp_path / "latest.pth")
    assert len(checkpoint.load(tmp_path / "latest.pth")["x"]) == 4
    assert len(checkpoint.load(tmp_path / "epoch_1.pth")["x"]) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "checkpoint not found"),
        (b"", "is damaged"),
        (b"not a checkpoint", "is damaged, or contains objects other than tensors"),
        (pickle.dumps(Bomb()), "is damaged, or contains objects other than tensors"),
    ],
)
def test_invalid_files_are_rejected_without_executing_code(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "x.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=f"x.pth: .*{message}"):
        checkpoint.load(path)


def test_code_inside_a_pytorch_file_is_rejected(tmp_path: Path) -> None:
    torch.save({"weight": Bomb()}, tmp_path / "x.pth")
    with pytest.raises(RunError, match="objects other than tensors and plain data"):
        checkpoint.load(tmp_path / "x.pth")


def test_truncated_checkpoint_is_rejected(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.pth", {"x": torch.zeros(1000)})
    content = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match="x.pth: is damaged"):
        checkpoint.load(tmp_path / "x.pth")


def test_mismatching_weights_are_listed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.pth", {"weight": torch.zeros(2, 2), "other": torch.zeros(1)})
    with pytest.raises(RunError) as caught:
        checkpoint.load_into(nn.Linear(3, 2), checkpoint.load(tmp_path / "x.pth"))
    assert str(caught.value).splitlines()[1:] == [
        "  weight: has shape [2, 2], expected [2, 3]",
        "  bias: missing",
        "  other: unexpected",
    ]


@pytest.mark.parametrize("seed", range(60))
def test_random_bytes_are_refused_as_damaged(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(random.Random(seed).randbytes(seed * 10))
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load(path)


def test_changed_content_does_not_match_the_hash(tmp_path: Path) -> None:
    checkpoint.save_training(tmp_path, "epoch_1.pth", {"model": {"w": torch.ones(3)}, "epoch": 1})
    content = torch.load(tmp_path / "latest.pth", weights_only=True)
    content["epoch"] = 2
    torch.save(content, tmp_path / "latest.pth")
    with pytest.raises(RunError, match="SHA-256 mismatch"):
        checkpoint.load(tmp_path / "latest.pth")


def test_file_is_synced_before_the_rename_and_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        calls.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real_sync(descriptor)

    def replace(source: Path, target: Path) -> None:
        calls.append("rename to " + Path(target).name)
        real_replace(source, target)

    monkeypatch.setattr("os.fsync", sync)
    monkeypatch.setattr("os.replace", replace)
    checkpoint.save(tmp_path / "x.pth", {"w": torch.ones(2)})
    assert [call.split("-")[-1] for call in calls] == [
        "x.pth",
        "rename to x.pth",
        f"sync {tmp_path.name}".split("-")[-1],
    ]
    assert calls[0].startswith("sync .simvp-")


def test_weights_saved_on_a_gpu_load_on_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": torch.ones(2)}, path)
    # Replace the device name inside the file.
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "cuda.pth", "w") as archive:
        for name, content in contents.items():
            archive.writestr(
                name, content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            )
    assert checkpoint.load(tmp_path / "cuda.pth")["w"].device.type == "cpu"
