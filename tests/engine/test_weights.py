"""Weights of OpenSTL."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import GOLDEN, TINY, Simvp

from simvp.data import read_split
from simvp.engine.forecaster import load
from simvp.engine.weights import load_openstl, load_weights
from simvp.errors import RunError
from simvp.models.simvp import SimVP


@pytest.fixture
def published() -> tuple[SimVP, dict[str, torch.Tensor]]:
    """A network and its OpenSTL weights."""
    golden = np.load(GOLDEN / "gsta.npz")
    config = json.loads(str(golden["__config__"]))
    weights = {k: torch.from_numpy(golden[k]) for k in golden.files if not k.startswith("__")}
    return SimVP(tuple(config.pop("in_shape")), **config), weights


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {f"module.{k}": v for k, v in weights.items()},
        lambda weights: {"state_dict": {f"model.{k}": v for k, v in weights.items()}},
        lambda weights: {f"model._orig_mod.{k}": v for k, v in weights.items()},
    ],
)
def test_common_wrappers_and_prefixes_are_removed(wrap: Any, published: Any) -> None:
    network, weights = published
    load_openstl(network, wrap(weights))
    torch.testing.assert_close(
        network.encoder.layers[0].conv.weight, weights["enc.enc.0.conv.conv.weight"]
    )


def test_mismatching_tensors_are_listed(published: Any) -> None:
    network, weights = published
    del weights["dec.readout.bias"]
    weights["enc.enc.0.conv.conv.bias"] = torch.zeros(5)
    weights["hid.enc.7.block.norm1.weight"] = torch.zeros(8)
    with pytest.raises(RunError) as caught:
        load_openstl(network, weights)
    assert str(caught.value).splitlines()[1:] == [
        "  encoder.layers.0.conv.bias: has shape [5], expected [4]",
        "  decoder.readout.bias: missing",
        "  hid.enc.7.block.norm1.weight: unexpected",
    ]


def test_buffers_in_older_files_are_ignored() -> None:
    golden = np.load(GOLDEN / "swin.npz")
    config = json.loads(str(golden["__config__"]))
    weights = {k: torch.from_numpy(golden[k]) for k in golden.files if not k.startswith("__")}
    weights["hid.enc.1.block.attn.relative_position_index"] = torch.zeros(16, 16).long()
    weights["hid.enc.1.block.attn_mask"] = torch.zeros(4, 16, 16)
    load_openstl(SimVP(tuple(config.pop("in_shape")), **config), weights)


def test_safetensors_files_are_loaded(published: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    network, weights = published
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the sort")
    with pytest.raises(RunError, match="bad.safetensors: cannot be read"):
        load_weights(network, tmp_path / "bad.safetensors")


GSTA = [
    *("--pre-seq-length", "2", "--aft-seq-length", "2", "--batch-size", "3"),
    *("--set", "model.hid_S=4", "--set", "model.hid_T=16", "--set", "model.N_S=2"),
    *("--set", "model.N_T=3", "--set", "model.mlp_ratio=2.0"),
]


def test_published_weights_are_scored_on_the_test_split(
    split_data: Path, simvp: Simvp, published: Any
) -> None:
    network, weights = published
    torch.save({"state_dict": weights}, "published.pth")
    settings = [option for option in GSTA if option != "--set"]
    pairs = [f"data.pre_seq_length={settings[1]}", "data.aft_seq_length=2", "data.path=data"]
    pairs += [setting for setting in settings if setting.startswith("model.")]
    options = [part for pair in pairs for part in ("--set", pair)]
    simvp("test", "--weights", "published.pth", "--name", "theirs", *options)
    saved = Path("work_dirs/theirs/saved")
    (sample, *_) = (saved / "inputs").iterdir()
    frames = torch.from_numpy(np.stack([np.load(sample / f"{i}.npy") for i in range(2)]))
    load_openstl(network, weights)
    with torch.inference_mode():
        expected = network.eval()(frames[None])[0, 1].numpy()
    forecast = np.load(saved / "preds" / sample.name / "1.npy")
    np.testing.assert_allclose(forecast, expected, atol=1e-5)


def test_training_starts_from_published_weights(
    split_data: Path, simvp: Simvp, published: Any
) -> None:
    torch.save(published[1], "published.pth")
    command = ("train", "--data-path", "data", "--epochs", "1", "--lr", "1e-12", *GSTA)
    simvp(*command, "--init-from", "published.pth")
    trained = torch.load("work_dirs/default/simvp_model.pth", weights_only=True)
    torch.testing.assert_close(
        trained["encoder.layers.0.conv.weight"], published[1]["enc.enc.0.conv.conv.weight"]
    )
    refused = simvp(*command, "--init-from", "no.pth", "--name", "x", code=2)
    assert "no.pth: checkpoint not found" in refused.stderr
    refused = simvp(*command, "--init-from", "published.pth", *TINY, "--name", "x", code=2)
    assert "published.pth: the weights do not match the network" in refused.stderr
    assert not Path("work_dirs/x").exists()


def test_mean_and_std_belong_to_the_weights(trained: Path, simvp: Simvp) -> None:
    """A run on other data that starts from them keeps theirs, as does a test."""
    names = ("mean", "std")
    first = torch.load(trained / "simvp_model.pth", weights_only=True)
    shutil.copytree("data", "other", ignore=shutil.ignore_patterns("*.json"))
    for file in Path("other").glob("*/*.npy"):
        np.save(file, 0.1 * np.load(file))
    simvp("split", "other")
    assert read_split("other").data.mean == pytest.approx([0.05], abs=0.01)
    command = ("train", "--data-path", "other", "--epochs", "1", "--lr", "1e-12", *TINY)
    simvp(*command, "--init-from", str(trained / "simvp_model.pth"), "--name", "second")
    second = torch.load("work_dirs/second/simvp_model.pth", weights_only=True)
    assert all(torch.equal(first[name], second[name]) for name in names)
    network = load("work_dirs/second").network
    assert network.is_standardizing and torch.equal(network.mean, first["mean"])
    assert float(first["mean"]) == pytest.approx(0.5, abs=0.05)
    refused = simvp(
        *command,
        *("--init-from", str(trained / "simvp_model.pth"), "--name", "third"),
        *("--set", "model.standardize=false"),
        code=2,
    )
    assert "model.standardize = false: the weights in " in refused.stderr
    assert not Path("work_dirs/third").exists()


def test_weights_of_an_earlier_version_name_the_mean_fill(tmp_path: Path) -> None:
    small = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
    network = SimVP((3, 1, 8, 8), mean=(0.25,), takes_mask=True, **small)
    weights = {("fill" if k == "mean" else k): v for k, v in network.state_dict().items()}
    torch.save(weights, tmp_path / "old.pth")
    other = SimVP((3, 1, 8, 8), mean=(0.5,), takes_mask=True, **small)
    load_weights(other, tmp_path / "old.pth")
    assert float(other.mean) == 0.25
