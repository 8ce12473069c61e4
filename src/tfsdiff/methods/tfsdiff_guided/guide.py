"""The guide of a guided TFS-Diff: sources enlarged by another method, and their fusion by BitonicX.

The truth is BitonicX of the true sources. Fusing enlarged sources by the same rule therefore gives
a good first guess, which a network that saw bicubic sources alone would have to learn from
examples. What is left to learn is where that guess errs, because enlarged sources are blurred and
the rule is not linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tfsdiff.core.tensors import SOURCES, Batch, levels
from tfsdiff.methods.base import Enlarger
from tfsdiff.methods.bitonicx.method import BitonicX
from tfsdiff.params import validate


@dataclass(frozen=True)
class Guide:
    """Enlarges three sources, and fuses them to a first guess.

    Attributes:
        enlarger: of each source; with weights.
        fuser: of the enlarged sources.
    """

    enlarger: Enlarger
    fuser: BitonicX

    @classmethod
    def of(cls, enlarger: Enlarger) -> "Guide":
        """The guide that enlarges by `enlarger`, and fuses by BitonicX as published."""
        return cls(enlarger, BitonicX(validate(BitonicX.published, BitonicX.Settings, "bitonicx")))

    def __call__(self, low: Batch, generators: Sequence[torch.Generator]) -> Batch:
        """Enlarge and fuse `low`.

        Args:
            low: low-resolution sources.
            generators: one a group.

        Returns:
            The groups with sources (B, 3, 3, H, W) enlarged, and their fusion (B, 3, H, W) as
            `truth`; both in the 8-bit levels in which the pipeline stores them.
        """
        noise = [one for generator in generators for one in _parted(generator)]
        enlarged = self.enlarger.enlarge(low.sources.flatten(0, 1), noise)
        sources = _rounded(enlarged).unflatten(0, (-1, SOURCES))
        fused = self.fuser.fuse(Batch(low.groups, sources), generators)
        return Batch(low.groups, sources, _rounded(fused), low.modalities)


def _parted(generator: torch.Generator) -> list[torch.Generator]:
    """Generators of the three sources of a group, drawn from that of the group."""
    seeds = torch.randint(2**62, (SOURCES,), generator=generator, device=generator.device)
    return [torch.Generator(generator.device).manual_seed(int(seed)) for seed in seeds]


def _rounded(images: Tensor) -> Tensor:
    return (levels(images) / 255).to(images)
