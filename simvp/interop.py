"""Weights made elsewhere: OpenSTL's names for the network's tensors."""

import re

# Ours -> OpenSTL's, applied in turn to a tensor's name.
_RENAMES = [
    # A layer that doubles the grid is the first of each pair in the decoder; OpenSTL's
    # convolution is the first of a sequence there.
    (r"^decoder\.layers\.(\d*[02468])\.conv\.", r"dec.dec.\1.conv.conv.0."),
    (r"^decoder\.layers\.(\d+)\.", r"dec.dec.\1.conv."),
    (r"^decoder\.readout\.", "dec.readout."),
    (r"^encoder\.layers\.(\d+)\.", r"enc.enc.\1.conv."),
    (r"^translator\.stages\.", "hid.enc."),
    (r"\.scale(\d)\.weight$", r".layer_scale_\1"),
    (r"\.gating_unit\.", ".spatial_gating_unit."),
    (r"\.mlp\.dwconv\.", ".mlp.dwconv.dwconv."),
]


def openstl_name(name: str) -> str:
    """OpenSTL's name of the tensor that is called `name` in `SimVP.state_dict()`."""
    for ours, theirs in _RENAMES:
        name = re.sub(ours, theirs, name)
    return name
