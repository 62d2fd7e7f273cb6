"""Choice of the precision, and the memory that a process has used."""

import sys
from pathlib import Path

import pytest
import torch

from simvp.runtime import devices


def test_best_precision_and_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert devices.best_precision(torch.device("cpu")) == ("bf16", "this CPU has AVX512_BF16")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert devices.best_precision(torch.device("cpu"))[0] == "fp32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    precision, reason = devices.best_precision(torch.device("cuda"))
    assert (precision, reason) == ("fp32", "CUDA compute capability 7.5, bfloat16 needs 8.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert devices.best_precision(torch.device("cuda"))[0] == "bf16"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_that_of_the_kernel() -> None:
    block = torch.ones(25_000_000)  # 100 MB, freed again
    del block
    (line,) = [x for x in Path("/proc/self/status").read_text().split("\n") if "VmHWM" in x]
    expected = 1024 * int(line.split()[1])
    assert devices.peak_memory(torch.device("cpu")) == pytest.approx(expected, rel=0.02)


@pytest.mark.gpu
def test_peak_memory_of_a_gpu_includes_freed_tensors() -> None:
    device = torch.device("cuda:0")
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    block = torch.ones(25_000_000, device=device)
    del block
    assert devices.peak_memory(device) == pytest.approx(before + 1e8, rel=0.01)
