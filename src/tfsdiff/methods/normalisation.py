"""Normalisation that the U-Nets of several methods share."""

from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """Group normalisation that learns in float32, also where autocast asks for bfloat16.

    So autocast has it on a GPU; a CPU takes four times as long for the gradient in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return super().forward(x.float() if self.training else x)
