"""Training examples: the groups of a part of the split, and computed groups beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import load_batch, load_computed, select
from tfsdiff.data.resample import reduce
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples

GROUPS, GUESS = "groups", "guess"  # parts of a folder that the stage `guide` writes


@dataclass(frozen=True)
class ExampleFolders:
    """Where the images lie that a network learns from.

    Attributes:
        split: the split.
        low, high: image folders of the groups.
        computed: image folder of the computed groups, at high resolution; may have none.
        truth, computed_truth: folders of the fused truth of both; None where none is learned.
    """

    split: Path
    low: Path
    high: Path
    computed: Path
    truth: Path | None = None
    computed_truth: Path | None = None

    def load(self, part: Part, scale: int, real_share: float | None = None) -> Examples:
        """Groups of a part; the computed ones join those of the training.

        Args:
            part: of the split.
            scale: between `high` and `low`.
            real_share: of the groups of the split in an epoch, where there are computed ones; None:
                each group comes once.
        """
        groups = select(self.high, self.split, part)
        real = Examples(load_batch(self.high, groups, self.truth), load_batch(self.low, groups))
        computed = load_computed(self.computed, self.computed_truth) if part == "train" else None
        if computed is None:
            return real
        return Examples(
            joined([real.high, computed]),
            joined([real.low, reduced(computed, scale)]),
            repeats=() if real_share is None else _repeats(len(groups), len(computed), real_share),
        )


def reduced(high: Batch, scale: int) -> Batch:
    """Low-resolution sources of groups, in 8-bit levels as the stage `degrade` writes them."""
    sources = [(levels(reduce(x, scale)) / 255).float() for x in high.sources]
    return Batch(high.groups, torch.stack(sources), None, high.modalities)


def joined(batches: Sequence[Batch]) -> Batch:
    """Groups of several batches, all of them with truth or none."""
    truths = [batch.truth for batch in batches if batch.truth is not None]
    return Batch(
        tuple(name for batch in batches for name in batch.groups),
        torch.cat([batch.sources for batch in batches]),
        torch.cat(truths) if truths else None,
        tuple(names for batch in batches for names in batch.modalities),
    )


def _repeats(real: int, computed: int, share: float) -> tuple[int, ...]:
    """How often each group comes in an epoch, so that about `share` of them are real.

    Computed groups come once where real ones are rarer than that, and the other way round.
    """
    wanted = share / max(1 - share, 1e-6) * computed / real  # real ones over computed ones
    return (max(round(wanted), 1),) * real + (max(round(1 / max(wanted, 1e-6)), 1),) * computed
