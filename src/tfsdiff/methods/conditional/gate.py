"""The gate of TFS-Diff's tri-modal feature aggregation (TMFA)."""

import torch
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scales channels by what they hold: global average, FC, ReLU, FC, sigmoid."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = max(channels // ratio, 1)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        weights = torch.sigmoid(self.linear2(torch.relu(self.linear1(x.mean((2, 3))))))
        return x * weights[:, :, None, None]
