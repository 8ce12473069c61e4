"""Images of any size for networks that halve theirs."""

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(images: Tensor, step: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H and W are multiples of `step`."""
    height, width = images.shape[-2:]
    if height % step == 0 and width % step == 0:
        return images
    return F.pad(images, (0, -width % step, 0, -height % step), mode="replicate")
