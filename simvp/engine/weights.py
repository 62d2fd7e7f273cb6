"""Load weights of simvp or OpenSTL into a network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from simvp.errors import RunError
from simvp.models.simvp import Network
from simvp.storage import checkpoint

# Substitutions that translate OpenSTL names of tensors to simvp names, applied in this order.
_RENAMES = [
    (r"^(?:module\.|model\.|_orig_mod\.)+", ""),  # data parallel, Lightning, torch.compile
    (r"^enc\.enc\.(\d+)\.conv\.", r"encoder.layers.\1."),
    # In layers that double the resolution, OpenSTL wraps the convolution in a Sequential.
    (r"^dec\.dec\.(\d+)\.conv\.(?:(conv\.)0\.)?", r"decoder.layers.\1.\2"),
    (r"^dec\.readout\.", "decoder.readout."),
    (r"^hid\.enc\.(\d+)\.(block|reduction)\.", r"translator.stages.\1.\2."),
    (r"^hid\.enc\.", "translator.encoder."),
    (r"^hid\.dec\.", "translator.decoder."),
    (r"\.layer_scale_(\d)$", r".scale\1.weight"),
    (r"\.gamma_?(\d?)$", r".scale\1.weight"),
    (r"\.spatial_gating_unit\.", ".gating_unit."),
    (r"\.dwconv\.dwconv\.", ".dwconv."),
]
# Buffers in files of older OpenSTL versions, which simvp computes on the fly.
_BUFFERS = re.compile(r"\.(relative_position_index|attn_mask)$")


def load_openstl(model: Network, state_dict: Mapping[str, Any]) -> None:
    """Load weights with OpenSTL names into `model`.

    Args:
        state_dict: the weights, or {"state_dict": the weights, ...}, with or without the prefixes
            `module.`, `model.` and `_orig_mod.`.
    Raises: RunError if a tensor is missing, unexpected, not finite or has another shape.
    """
    checkpoint.load_into(model, translate(state_dict, like=model.state_dict()))


def translate(state_dict: Mapping[str, Any], like: Mapping[str, Tensor]) -> dict[str, Any]:
    """Rename tensors from OpenSTL to simvp; add or remove axes of length 1 as in `like`."""
    inner = state_dict.get("state_dict", state_dict)
    weights: dict[str, Any] = {}
    for openstl_name, value in inner.items():
        if _BUFFERS.search(openstl_name):
            continue
        name = openstl_name
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        target = like.get(name)
        if target is not None and isinstance(value, Tensor) and _equal_up_to_ones(value, target):
            value = value.reshape(target.shape)
        # Unknown tensors keep their OpenSTL name for the error message.
        weights[name if target is not None else openstl_name] = value
    return weights


@dataclass(frozen=True)
class StoredWeights:
    """The weights in a file.

    Attributes:
        path: the file, or the folder of checkpoints.
        state_dict: the weights, with names of simvp or OpenSTL.
    """

    path: Path
    state_dict: Mapping[str, Any]

    @property
    def are_standardizing(self) -> bool:
        """Whether they are of a network that standardises its input."""
        return "std" in self.state_dict

    @property
    def are_of_unet(self) -> bool:
        """Whether they are of a U-Net; otherwise of SimVP, whose translator they do not tell."""
        return "stem.weight" in self.state_dict

    @property
    def forecast_increments(self) -> bool:
        """Whether they are of a network that forecasts increments."""
        return "increment_scale" in self.state_dict

    def load_into(self, model: Network) -> None:
        """Copy them into `model`. Raises RunError if they do not match it."""
        try:
            if self.are_of_unet or "decoder.readout.weight" in self.state_dict:
                checkpoint.load_into(model, self.state_dict)
            else:
                load_openstl(model, self.state_dict)
        except RunError as error:
            raise RunError(f"{self.path}: {error}") from None


def read_weights(path: Path) -> StoredWeights:
    """Read weights or a checkpoint of simvp or OpenSTL; .pth or .safetensors.

    Raises: RunError if the file cannot be read without executing code.
    """
    content = _read(path)
    if checkpoint.is_training_state(content):
        content = content["model"]
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise RunError(f"{path}: holds no tensors by name; use a file of weights")
    return StoredWeights(path, with_current_names(content))


def with_current_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Weights of simvp with the names of this version: earlier ones named the mean `fill`."""
    return {"mean" if name == "fill" else name: value for name, value in state_dict.items()}


def load_weights(model: Network, path: Path) -> None:
    """Load weights or a checkpoint of simvp or OpenSTL into `model`; .pth or .safetensors.

    The mean and standard deviation with which a network standardises its input are part of its
    weights. They are not replaced by those of other data, because the other weights were trained
    with them.

    Raises: RunError if the file cannot be read without executing code, or does not match `model`.
    """
    read_weights(path).load_into(model)


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return checkpoint.load(path)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise RunError(f"{path}: reading this format requires `pip install safetensors`") from None
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); use another file") from None


def _equal_up_to_ones(a: Tensor, b: Tensor) -> bool:
    return [n for n in a.shape if n != 1] == [n for n in b.shape if n != 1]
