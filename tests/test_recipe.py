"""Automatic settings of training, BatchNorm statistics and compilation."""

import time
from pathlib import Path

import pytest
import torch
from torch import nn

from simvp.config import Config
from simvp.data import read_split
from simvp.engine import build_network
from simvp.engine.automatic import resolve_auto
from simvp.engine.compilation import uncompiled
from simvp.engine.learner import Learner
from simvp.engine.statistics import recompute_statistics
from simvp.errors import OutputError
from simvp.models.simvp import SimVP
from simvp.runtime.group import Group
from simvp.storage.files import convert_os_errors, in_background

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("windows", "nproc", "epochs", "expected"),
    # 70 windows for 20 epochs are 1400: 700 steps of two. Few or many meet the bounds.
    [(70, 1, 20, 2), (70, 2, 20, 2), (350, 1, 20, 10), (14000, 1, 20, 16), (3, 4, 20, 1)],
)
def test_the_batch_size_leaves_700_steps(
    split_data: Path, windows: int, nproc: int, epochs: int, expected: int
) -> None:
    config = Config.model_validate({"train": {"epochs": epochs}})
    assert resolved(split_data, config, windows, world_size=nproc).train.batch_size == expected
    given = Config.model_validate({"train": {"batch_size": 5}})
    assert resolved(split_data, given, windows, world_size=nproc).train.batch_size == 5


def resolved(
    data: Path, config: Config, windows: int, device: str = "cpu", world_size: int = 1
) -> Config:
    split = read_split(data)
    return resolve_auto(
        config,
        split,
        num_windows=windows,
        device=torch.device(device),
        world_size=world_size,
    )


def test_compilation_is_for_long_runs_on_a_gpu(
    split_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    settings = {"batch_size": 2, "epochs": 20, "precision": "fp32"}
    config = Config.model_validate({"train": settings})
    for device, windows, expected in [
        ("cpu", 10**6, False),
        ("cuda", 70, False),
        ("cuda", 900, True),
    ]:
        assert resolved(split_data, config, windows, device).train.compile is expected
    requested = Config.model_validate({"train": {"compile": True}})
    assert resolved(split_data, requested, 1).train.compile is True


def test_nothing_is_left_to_be_decided(split_data: Path) -> None:
    (split_data / "dataset.toml").write_text("boundary_x = 'periodic'\nsymmetries = ['flip_y']\n")
    config = resolved(split_data, Config.model_validate({"metrics": {"precision": "auto"}}), 70)
    assert config.model.boundary == "zeros,periodic" and config.train.augment == "flip_y"
    assert config.train.precision in ("fp32", "bf16")
    assert config.data.split == str(read_split(split_data).path)
    experiment = config.model_dump(exclude={"run"})
    assert "auto" not in [value for section in experiment.values() for value in section.values()]


def test_recomputed_statistics_match_those_of_the_batch() -> None:
    """Evaluation mode then gives the same forecast as training mode."""
    torch.manual_seed(0)
    network = SimVP((3, 1, 16, 16), hid_S=8, hid_T=16, N_S=2, N_T=2)
    frames = torch.rand(6, 3, 1, 16, 16)
    momenta = [m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    random_numbers = torch.get_rng_state()
    recompute_statistics(network, [frames])
    assert torch.equal(torch.get_rng_state(), random_numbers)
    assert not any(module.training for module in network.modules())
    assert [m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == momenta
    with torch.no_grad():
        with_running_stats = network(frames)
        for layer in network.modules():
            layer.train(isinstance(layer, nn.BatchNorm2d))
        with_batch_stats = network(frames)
    # Running variances are unbiased, those of a batch are biased.
    torch.testing.assert_close(with_running_stats, with_batch_stats, rtol=0, atol=2e-3)


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


# Warnings caused by the compiler of PyTorch 2.13.
@pytest.mark.filterwarnings("ignore:.*Function.* should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_blocks_give_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller batches and forecasts are not compiled."""
    graphs: list[object] = []
    counts: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    compile_module = nn.Module.compile
    monkeypatch.setattr(
        nn.Module,
        "compile",
        lambda self, **options: compile_module(self, backend=backend, **options),
    )
    losses: dict[bool, list[float]] = {True: [], False: []}
    for is_compiled, of_run in losses.items():
        model = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "boundary": "periodic,reflect"}
        train = {"compile": is_compiled, "batch_size": 2, "precision": "fp32"}
        data = {"pre_seq_length": 3}
        config = Config.model_validate({"model": model, "train": train, "data": data})
        network = build_network(config, (1, 8, 8), CPU)
        names = list(network.state_dict())
        learner = Learner(config, network, Group(0, 1, CPU))
        for size in (2, 2, 1):
            frames = torch.rand(size, 7, 1, 8, 8, generator=torch.Generator().manual_seed(size))
            torch.manual_seed(0)
            of_run.append(float(learner.step(frames, lr_factor=1.0, beta1=0.9)))
            counts.append(len(graphs))
        network.eval()
        with torch.inference_mode(), uncompiled():
            of_run.append(float(network(frames[:, :3], 4).mean()))
        assert list(network.state_dict()) == names
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
    assert counts[0] >= 6  # two layers of the encoder, two blocks, two layers of the decoder
    assert set(counts) == {counts[0]} and len(graphs) == counts[0]
