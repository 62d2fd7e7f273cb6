"""Choice of the precision."""

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
