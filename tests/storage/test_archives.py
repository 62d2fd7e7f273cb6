"""Files of PyTorch that would unpack to more than they hold."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from simvp.errors import RunError
from simvp.storage import checkpoint
from simvp.storage.archives import check_archive, find_excess


def test_files_of_pytorch_pass(tmp_path: Path) -> None:
    weights = {"a": torch.zeros(1000), "b": torch.zeros(3)}
    torch.save({**weights, "same": weights["a"]}, tmp_path / "new.pth")
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("new.pth", "old.pth"):
        assert checkpoint.load(tmp_path / name).keys() >= weights.keys()


def test_compressed_archive_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    assert (tmp_path / "bomb.pth").stat().st_size < 10_000  # of 4 MB
    with pytest.raises(ValueError, match="it is compressed, which PyTorch never does"):
        check_archive(tmp_path / "bomb.pth")
    with pytest.raises(RunError, match=r"bomb.pth: is damaged .*it is compressed"):
        checkpoint.load(tmp_path / "bomb.pth")


def test_shared_references_do_not_keep_the_process_busy(tmp_path: Path) -> None:
    value: Any = [1]
    for _ in range(60):  # 2**60 paths to the innermost list
        value = [value, value]
    torch.save({"format": 1, "model": {}, "progress": value, "sha256": ""}, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").stat().st_size < 3000
    with pytest.raises(RunError, match="containers are nested too deeply"):
        checkpoint.load(tmp_path / "a.pth")


def test_tensor_that_repeats_one_value_is_limited(tmp_path: Path) -> None:
    assert find_excess({"a": torch.zeros(4).expand(16, 4)}, 16) == ""
    assert find_excess({"a": torch.zeros(4).expand(17, 4)}, 16) != ""
    torch.save({"format": 1, "model": {"a": torch.zeros(1).expand(2**40)}}, tmp_path / "a.pth")
    with pytest.raises(RunError, match="its tensors are larger than the file"):
        checkpoint.load(tmp_path / "a.pth")


def test_depth_is_limited() -> None:
    value: Any = 0
    for _ in range(50):
        value = (value,)
    assert find_excess(value, 0) == ""
    assert find_excess([value], 0) == "its containers are nested too deeply"


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("tensor", [torch.zeros(2, device="meta"), torch.zeros(2).to_sparse()])
def test_tensors_without_plain_values_are_refused(tensor: torch.Tensor) -> None:
    assert find_excess({"a": tensor}, 10**6).startswith("it holds a tensor of the kind")
