"""Layers of the network."""

import pytest
import torch

from simvp.models.simvp.layers import DropPath, Mlp


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_recomputation_gives_the_same_gradients(
    drop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Mlp(4, 8, drop=drop, mixes_cells=True)
    x = torch.rand(2, 4, 6, 6, requires_grad=True)
    passes: list[int] = []
    layer.act.register_forward_hook(lambda *_: passes.append(1))

    def gradients() -> tuple[torch.Tensor, ...]:
        torch.manual_seed(1)
        return torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])

    saved = gradients()
    assert len(passes) == 1
    monkeypatch.setattr("simvp.models.simvp.layers._RECOMPUTE_FROM", 0)
    recomputed = gradients()
    assert len(passes) == 3
    for found, expected in zip(recomputed, saved, strict=True):
        assert torch.equal(found, expected)


def test_drop_path_drops_samples_and_preserves_the_expectation() -> None:
    torch.manual_seed(0)
    layer = DropPath(0.25)
    output = layer(torch.ones(4000, 3, 2, 2))
    per_sample = output.flatten(1)
    assert torch.equal(per_sample.amin(1), per_sample.amax(1))
    assert sorted(set(per_sample[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    assert float(output.mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(layer.eval()(torch.ones(2, 3)), torch.ones(2, 3))
