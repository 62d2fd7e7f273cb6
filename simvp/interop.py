"""Weights made elsewhere: OpenSTL's names for the network's tensors."""

import re

# Ours -> OpenSTL's, applied in turn to a tensor's name.
_RENAMES = [
    (r"^encoder\.layers\.(\d+)\.", r"enc.enc.\1.conv."),
    (r"^decoder\.layers\.(\d+)\.", r"dec.dec.\1.conv."),
    (r"^decoder\.readout\.", "dec.readout."),
    (r"^translator\.stages\.", "hid.enc."),
    (r"\.scale(\d)\.weight$", r".layer_scale_\1"),
    (r"\.gating_unit\.", ".spatial_gating_unit."),
    (r"\.mlp\.dwconv\.", ".mlp.dwconv.dwconv."),
]


def openstl_name(name: str, *, upsamples: bool) -> str:
    """OpenSTL's name of the tensor that is called `name` in `SimVP.state_dict()`.

    Args:
        upsamples: whether it belongs to a layer that doubles the grid, where OpenSTL numbers
            the convolution as the first of a sequence.
    """
    for ours, theirs in _RENAMES:
        name = re.sub(ours, theirs, name)
    return name.replace(".conv.conv.", ".conv.conv.0.") if upsamples else name
