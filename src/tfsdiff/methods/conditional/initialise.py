"""First weights of a network, drawn from a given generator."""

from typing import Literal

import torch
from torch import nn


def initialise(
    network: nn.Module, rule: Literal["kaiming", "orthogonal"], generator: torch.Generator
) -> None:
    """Set all weights of `network`, in place.

    `kaiming` is He's normal rule (fan in); `orthogonal` that of the released SR3 and TFS-Diff.
    Biases start at zero, normalisations at the identity.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if rule == "orthogonal":
                nn.init.orthogonal_(module.weight, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
