"""Precision, memory and the optimizer: speed must not change what is computed."""

from pathlib import Path

import pytest
import torch
from conftest import TINY, Simvp
from torch import nn
from torch.nn import functional as F

from simvp.config import Config
from simvp.config.sections import TrainSection
from simvp.data import split as splits
from simvp.data.batches import SampleDataset
from simvp.engine import build_network
from simvp.engine.forecaster import load
from simvp.engine.muon import Muon
from simvp.engine.optimizer import Optimizer
from simvp.errors import DataError
from simvp.models.simvp import SimVP
from simvp.models.simvp.layers import Mlp, Pointwise
from simvp.models.simvp.padding import extend
from simvp.models.simvp.spatial import SpatialConv, set_boundary
from simvp.physics import Boundary
from simvp.runtime import devices

SMALL = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
CPU = torch.device("cpu")


@pytest.mark.parametrize("boundary", ["zeros", "periodic", "reflect", "replicate"])
@pytest.mark.parametrize(("height", "width", "dilation"), [(16, 8, 3), (12, 16, 3), (10, 7, 2)])
def test_a_dilated_convolution_is_pytorchs(
    boundary: str, height: int, width: int, dilation: int
) -> None:
    """Where steps of the dilation come by every cell, and where they do not."""
    torch.manual_seed(0)
    kinds: Boundary = (boundary, boundary)  # type: ignore[assignment]
    layer = SpatialConv(6, 6, 5, dilation=dilation, groups=6).double()
    set_boundary(layer, kinds)
    x = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    seen = extend(x, layer.reach, kinds)
    expected = F.conv2d(seen, layer.weight, layer.bias, dilation=dilation, groups=6)
    torch.testing.assert_close(layer(x), expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), x) for y in (layer(x), expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", ["periodic", "reflect", "replicate"])
@pytest.mark.parametrize("reach", [1, 5])  # 5: beyond the grid
def test_the_gradient_of_an_extension(kind: str, reach: int) -> None:
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: extend(x, reach, (kind, kind)), x)


def test_bf16_where_the_processor_has_it_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert devices.best_precision(CPU) == ("bf16", "this CPU has AVX512_BF16")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert devices.best_precision(CPU)[0] == "fp32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    precision, reason = devices.best_precision(torch.device("cuda"))
    assert (precision, reason) == ("fp32", "CUDA compute capability 7.5, bfloat16 needs 8.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert devices.best_precision(torch.device("cuda"))[0] == "bf16"


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_in_each_precision_resumes_and_keeps_float32_weights(
    split_data: Path, simvp: Simvp, precision: str
) -> None:
    train = ["train", "--data-path", "data", *TINY, "--set", f"train.precision={precision}"]
    result = simvp(*train, "--epochs", "1")
    assert f"computing in {precision}: as asked for" in result.stderr + result.stdout
    simvp(*train, "--epochs", "2", "--resume")
    weights = torch.load("work_dirs/default/simvp_model.pth", weights_only=True)
    assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
    saved = Path("work_dirs/default/config.toml").read_text()
    assert f'precision = "{precision}"' in saved
    simvp("test", "--set", f"metrics.precision={precision}")


def test_losses_in_bf16_follow_those_in_fp32(split_data: Path, simvp: Simvp) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        options = ["--set", f"train.precision={precision}", "--name", precision, "--epochs", "3"]
        simvp("train", "--data-path", "data", *TINY, *options)
        rows = Path("work_dirs", precision, "metrics.csv").read_text().splitlines()[1:]
        losses[precision] = [float(row.split(",")[2]) for row in rows]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_a_model_trained_in_bf16_forecasts_in_fp32_as_validated(
    split_data: Path, simvp: Simvp
) -> None:
    options = ["--set", "train.precision=bf16", "--epochs", "1"]
    result = simvp("train", "--data-path", "data", *TINY, *options)
    assert "computing in bf16: as asked for; forecasts in fp32" in result.stdout
    row = Path("work_dirs/default/metrics.csv").read_text().splitlines()[1].split(",")
    val_set = SampleDataset(splits.read(splits.newest(split_data)).part("validation"), num_frames=7)
    frames = val_set.read(list(range(len(val_set))))[1]
    with torch.inference_mode():
        forecast = load("work_dirs/default").network(frames[:, :3], 4)
    loss = F.mse_loss(forecast, frames[:, 3:]).item()
    assert loss == pytest.approx(float(row[3]), rel=1e-5)


def test_fast_layouts_compute_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against contiguous memory and PyTorch's own dilated convolution."""
    network = build_network(
        Config.model_validate({"model": {**SMALL, "boundary": "zeros"}}), (1, 16, 16), CPU
    ).eval()
    frames = torch.rand(2, 10, 1, 16, 16)
    with torch.inference_mode():
        fast = network(frames)
    for layer in (SpatialConv, Pointwise):
        monkeypatch.setattr(layer, "forward", nn.Conv2d.forward)
    with torch.inference_mode():
        plain = network.to(memory_format=torch.contiguous_format)(frames)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_what_is_computed_again_is_the_same(drop: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same random numbers, if there are any."""
    layer = Mlp(4, 8, drop=drop, mixes_cells=True)
    x = torch.rand(2, 4, 6, 6, requires_grad=True)
    passes: list[int] = []
    layer.act.register_forward_hook(lambda *_: passes.append(1))

    def gradients() -> tuple[torch.Tensor, ...]:
        torch.manual_seed(1)
        return torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])

    kept = gradients()
    assert len(passes) == 1
    monkeypatch.setattr("simvp.models.simvp.layers._LARGE", 0)
    again = gradients()
    assert len(passes) == 3
    for found, expected in zip(again, kept, strict=True):
        assert torch.equal(found, expected)


def test_frames_are_read_once_if_they_fit(split_data: Path) -> None:
    split = splits.read(splits.newest(split_data))
    kept, fresh = (SampleDataset(split.part("train"), num_frames=7) for _ in range(2))
    assert kept.keep_in_memory(10**9) and not fresh.keep_in_memory(10**3)
    first = kept.read([2, 0])[1]
    assert torch.equal(fresh.read([2, 0])[1], first)
    Path(kept.samples[2].frames[0]).unlink()
    assert torch.equal(kept.read([2, 0])[1], first)
    with pytest.raises(DataError, match="needs a frame's file, found nothing"):
        fresh.read([2, 0])


def test_muon_moves_a_matrix_in_all_its_directions_alike() -> None:
    """A step is orthogonal up to its scale, 0.2 sqrt(max(rows, columns)) of the learning rate."""
    network = SimVP((3, 1, 16, 16), **SMALL)
    optimizer = Optimizer(TrainSection(optimizer="muon"), network)
    weight = network.encoder.layers[1].conv.weight  # (8, 8, 3, 3)
    before = weight.detach().clone()
    network(torch.rand(4, 3, 1, 16, 16)).square().mean().backward()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    optimizer.step(scaler, lr_factor=0.5, beta1=0.9, skip=torch.tensor(False))
    change = (weight.detach() - before).flatten(1)
    sizes = torch.linalg.svdvals(change) / (0.5 * TrainSection().muon_lr * 0.2 * 72**0.5)
    assert sizes.min() > 0.6 and sizes.max() < 1.3  # Newton-Schulz is that rough


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_muon_is_pytorchs(precision: str) -> None:
    """Which multiplies in bfloat16 everywhere; ours does where the network does."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in [(12, 30), (30, 12), (12, 30)]]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    before = [weight.detach().clone() for weight in ours]
    optimizers = [
        Muon(ours, lr=0.1),
        torch.optim.Muon(theirs, lr=0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        for pair in zip(ours, theirs, strict=True):
            pair[0].grad = torch.randn_like(pair[0])
            pair[1].grad = pair[0].grad.clone()
        with devices.autocast(CPU, precision):
            for optimizer in optimizers:
                optimizer.step()
    for a, b, start in zip(ours, theirs, before, strict=True):
        assert (a - b).norm() < 0.02 * (b - start).norm()


def test_every_weight_is_learned_by_one_optimizer() -> None:
    network = SimVP((3, 1, 16, 16), **SMALL).to(memory_format=torch.channels_last)
    for name in ("adam", "muon"):
        optimizer = Optimizer(TrainSection(optimizer=name), network)
        counts = [p.numel() for part, _ in optimizer.parts.values() for p in _parameters(part)]
        assert sum(counts) == sum(p.numel() for p in network.parameters())
    matrices = {id(p) for p in _parameters(optimizer.parts["muon"][0])}
    assert id(network.decoder.readout.weight) not in matrices


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]
