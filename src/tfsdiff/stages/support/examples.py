"""Training examples: the groups of a part of the split, and computed groups beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import Computed, load_batch, load_computed, select
from tfsdiff.data.resample import reduce
from tfsdiff.data.slices import read_manifest
from tfsdiff.data.split import Part
from tfsdiff.methods.base import Examples

GROUPS, GUESS = "groups", "guess"  # parts of a folder that the stage `guide` writes
AT_ONCE = 16  # computed groups that are images of floating-point numbers at a time


@dataclass(frozen=True)
class ExampleFolders:
    """Where the images lie that a network learns from.

    Attributes:
        split: the split.
        low, high: image folders of the groups.
        computed: image folder of the computed groups, at high resolution; may have none.
        truth, computed_truth: folders of the fused truth of both; `truth` is None where no truth
            is wanted.
        guided: what the stage `guide` made of all these groups; None for a network without guide.
    """

    split: Path
    low: Path
    high: Path
    truth: Path | None
    computed: Path
    computed_truth: Path
    guided: Path | None = None

    def load(self, part: Part, scale: int, real_share: float) -> Examples:
        """Groups of a part; the training part has the computed ones too.

        Args:
            part: of the split.
            scale: between `high` and `low`.
            real_share: of the groups of the split in an epoch, where there are computed ones; 1:
                leave these out.
        """
        groups = select(self.high, self.split, part)
        high, low = load_batch(self.high, groups, self.truth), load_batch(self.low, groups)
        guided = self.guided_batch(high.groups) if self.guided else None
        wanted = part == "train" and real_share < 1
        computed = load_computed(self.computed, self.computed_truth) if wanted else None
        if computed is None:
            return Examples(high, low, guided=guided)
        # Whatever is rarer than its share comes several times in an epoch.
        ratio = real_share / (1 - real_share) * len(computed) / len(groups)
        often, seldom = max(round(ratio), 1), max(round(1 / max(ratio, 1e-6)), 1)
        more = ComputedExamples(computed, scale, seldom, self)
        return Examples(high, low, guided=guided, computed=more, repeats=(often,) * len(groups))

    def guided_batch(self, names: tuple[str, ...]) -> Batch:
        """Groups as the guide enlarged them, and its first guesses as truth."""
        folder = self.guided / GROUPS
        by_name = {group.group: group for group in read_manifest(folder)}
        return load_batch(folder, [by_name[name] for name in names], self.guided / GUESS)


@dataclass(frozen=True)
class ComputedExamples:
    """Computed groups as examples, some at a time: thousands fit into memory as bytes alone.

    Attributes:
        computed: the groups.
        scale: to which their sources are reduced.
        repeats: how often each comes in an epoch.
        folders: where the guide's images of them lie.
    """

    computed: Computed
    scale: int
    repeats: int
    folders: ExampleFolders

    def __iter__(self) -> Iterator[Examples]:
        for start in range(0, len(self.computed), AT_ONCE):
            chosen = range(start, min(start + AT_ONCE, len(self.computed)))
            high = self.computed.take(chosen)
            guided = self.folders.guided_batch(high.groups) if self.folders.guided else None
            low, repeats = reduced(high, self.scale), (self.repeats,) * len(high)
            yield Examples(high, low, guided=guided, repeats=repeats)


def reduced(high: Batch, scale: int) -> Batch:
    """Low-resolution sources of groups, in 8-bit levels as the stage `degrade` writes them."""
    sources = [(levels(reduce(x, scale)) / 255).float() for x in high.sources]
    return Batch(high.groups, torch.stack(sources), None, high.modalities)
