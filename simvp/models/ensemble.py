"""Networks that forecast together.

M: members; B: batch; T: input frames; C: channels of a frame, C' of which are forecast; H, W:
height and width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simvp.models.simvp import Network


class Ensemble(nn.Module):
    """Networks with the same settings and different weights.

    Attributes:
        num_forecast, takes_mask: as those of its networks.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.num_forecast, self.takes_mask = networks[0].num_forecast, networks[0].takes_mask

    def forward(self, frames: Tensor, num_steps: int | None = None) -> Tensor:
        """The forecast of each member: (B, T, C, H, W) -> (M, B, num_steps, C', H, W)."""
        return torch.stack([network(frames, num_steps) for network in self.networks])
