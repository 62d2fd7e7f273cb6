"""Weights made elsewhere: OpenSTL's names for the tensors, and the wrappers around them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from simvp.errors import RunError
from simvp.models.simvp import SimVP
from simvp.storage import checkpoint

# OpenSTL's name of a tensor -> ours, applied in turn.
_RENAMES = [
    (r"^(?:module\.|model\.|_orig_mod\.)+", ""),  # data parallel, Lightning, torch.compile
    (r"^enc\.enc\.(\d+)\.conv\.", r"encoder.layers.\1."),
    # Where a layer doubles the grid, the convolution is the first of a sequence.
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
# Not learned, and computed where it is needed; older files hold it all the same.
_DERIVED = re.compile(r"\.(relative_position_index|attn_mask)$")


def load_openstl(model: SimVP, state_dict: Mapping[str, Any]) -> None:
    """Fill `model` with weights under OpenSTL's names: every key used, every tensor filled.

    Args:
        state_dict: the weights, or {"state_dict": the weights, ...}, with or without the prefixes
            `module.`, `model.` and `_orig_mod.`.
    Raises: RunError that lists what is missing, left over or of another shape.
    """
    weights = translate(state_dict, like=model.state_dict())
    problems = checkpoint.mismatches(model.state_dict(), weights)
    if problems:
        raise RunError(
            "the weights do not fit the network "
            f"({len(problems)} tensors); check [model] and the data's shape\n"
            + checkpoint.listed(problems)
        )
    checkpoint.check_finite(weights)
    model.load_state_dict(weights)


def translate(state_dict: Mapping[str, Any], like: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights under our names; axes of length 1 come and go to match the shapes in `like`."""
    inner = state_dict.get("state_dict", state_dict)
    weights: dict[str, Any] = {}
    for theirs, value in inner.items():
        if _DERIVED.search(theirs):
            continue
        name = theirs
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        target = like.get(name)
        if target is not None and isinstance(value, Tensor) and _same_but_ones(value, target):
            value = value.reshape(target.shape)
        # A name that is not ours stays as the user knows it, to be listed.
        weights[name if target is not None else theirs] = value
    return weights


def load_weights(model: SimVP, path: Path) -> None:
    """Fill `model` from a file: our weights or checkpoints, OpenSTL's, or either as safetensors.

    Raises: RunError if the file cannot be read without running code, or does not fit.
    """
    content = _read(path)
    ours = checkpoint.is_training_state(content) or "decoder.readout.weight" in content
    try:
        if ours:
            checkpoint.fill(model, content)
        else:
            load_openstl(model, content)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return checkpoint.load(path)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise RunError(f"{path}: to read this format, `pip install safetensors`") from None
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None


def _same_but_ones(a: Tensor, b: Tensor) -> bool:
    return [n for n in a.shape if n != 1] == [n for n in b.shape if n != 1]
