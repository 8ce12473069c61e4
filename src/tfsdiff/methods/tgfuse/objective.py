"""What TGFuse is taught: structural similarity to both images, and two discriminators against it.

The released training is not the game that the paper describes: the discriminators never reach the
generator (quirk T1) and minimise the distance that they are to maximise (T2). Here `paper` plays
the game, and `official` does as released, but for T3 (see `Rules`).
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.core.backend import Backend
from tfsdiff.methods.pair_objective import GreyPairs, PairObjective
from tfsdiff.methods.tgfuse.network import Generator, reflected
from tfsdiff.methods.tgfuse.vgg import VGG, Depth
from tfsdiff.metrics.ssim import SIGMA, TAPS, similarity_map
from tfsdiff.metrics.windows import PEAK, gaussian, windowed_mean
from tfsdiff.params import Train
from tfsdiff.training.objective import ParamGroup, Update

Game = Literal["paper", "official"]
Ties = Literal["split", "zero"]

DEPTHS: dict[str, Depth] = {"visible": "relu_1_2", "other": "relu_3_3"}  # what a player looks at
VARIANCE_TAPS = 9


class Players(nn.Module):
    """The generator, and the discriminators of the two slots where they play.

    Args:
        generator: the network that is learned.
        width: of the discriminators, a factor to that of VGG-16; None: the generator plays alone.
    """

    def __init__(self, generator: Generator, width: float | None) -> None:
        super().__init__()
        self.generator = generator
        if width is not None:
            self.visible = VGG(DEPTHS["visible"], width)
            self.other = VGG(DEPTHS["other"], width)

    def forward(self, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse as the generator does."""
        return self.generator(visible, other)


@dataclass(frozen=True)
class Rules:
    """How TGFuse learns, beside what `Train` says.

    Attributes:
        game: paper: the discriminators maximise a distance that the generator minimises. official:
            they minimise it, and the generator never hears of it; all losses are divided by the
            batch (T5), and the generator's batch statistics are updated in every turn (T6). Not
            reproduced: the released code makes new optimisers for every step, whose steps are of
            the size of the learning rate (T3).
        ties: what becomes of pixels around which both images vary alike, all of a black background:
            split: half of either similarity; zero: nothing, as released (T4).
        weight: of the distances in the generator's loss; paper alone.
        margin: a distance beyond which a discriminator is content; paper alone. One that goes on
            to 1 switches off, one by one, all features that both images have, and is left blind.
        rate: factor to the learning rate of the discriminators.
        discriminators: whether there are any.
        multiple: what height and width must be for the generator.
    """

    game: Game
    ties: Ties
    weight: float
    margin: float
    rate: float
    discriminators: bool
    multiple: int


class Adversarial(PairObjective):
    """A generator, and discriminators which tell its images from those that it fused.

    Args:
        pairs, settings, backend: see `PairObjective`.
        rules: of the game.
    """

    def __init__(self, pairs: GreyPairs, settings: Train, backend: Backend, rules: Rules) -> None:
        super().__init__(pairs, settings, backend)
        self.rules = rules
        slots = DEPTHS if rules.discriminators else ()
        self.groups = (
            ParamGroup("generator."),
            *(ParamGroup(f"{slot}.", lambda step: rules.rate) for slot in slots),
        )

    def updates(self, step: int) -> Sequence[Update]:
        """The generator, then the discriminators: together, or one by one as released."""
        generator = Update(self.fusing, ("generator.",))
        if not self.rules.discriminators:
            return (generator,)
        if self.rules.game == "paper":
            groups = tuple(f"{slot}." for slot in DEPTHS)
            return generator, Update(self.telling_apart, groups, "discriminators")
        return generator, *(
            Update(partial(self.approaching, slot), (f"{slot}.",), slot) for slot in DEPTHS
        )

    def fuse(self, network: nn.Module, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, h, w) in [0, 1] of any size to (B, 1, h, w), not clipped."""
        height, width = visible.shape[-2:]
        inputs = (reflected(x, self.rules.multiple) * PEAK for x in (visible, other))
        with self.backend.autocast():
            fused = network(*inputs)
        return fused.float()[..., :height, :width] / PEAK

    def fusing(self, network: nn.Module, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of the generator."""
        fused = self.fuse(network, visible, other)
        structure = 1 - selected_similarity(visible, other, fused, self.rules.ties)
        if self.rules.game == "official":
            return {"loss": structure / len(fused), "structure": structure}
        distances = self.distances(network, fused, visible, other)
        loss = structure + self.rules.weight * sum(distances.values())
        return {"loss": loss, "structure": structure, **distances}

    def telling_apart(self, network: Players, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of both discriminators, which maximise the distances up to the margin."""
        with torch.no_grad(), statistics_kept(network):
            fused = self.fuse(network, visible, other)
        distances = self.distances(network, fused, visible, other)
        loss = sum(F.relu(self.rules.margin - distance) for distance in distances.values())
        return {"loss": loss, **distances}

    def approaching(
        self, slot: str, network: Players, visible: Tensor, other: Tensor
    ) -> dict[str, Tensor]:
        """Terms of one discriminator as released: it minimises the distance."""
        with torch.no_grad():
            fused = self.fuse(network, visible, other)
        source = visible if slot == "visible" else other
        distance = F.l1_loss(*self.look(network, slot, fused, source))
        return {"loss": distance / len(fused), "distance": distance}

    def distances(
        self, network: Players, fused: Tensor, visible: Tensor, other: Tensor
    ) -> dict[str, Tensor]:
        """How far the fused image is from each source, as its discriminator sees them."""
        return {
            f"{slot}_distance": relative_distance(*self.look(network, slot, fused, source))
            for slot, source in zip(DEPTHS, (visible, other), strict=True)
        }

    def look(
        self, network: Players, slot: str, fused: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features of (B, 1, h, w) in [0, 1] twice, as the discriminator of `slot` sees them."""
        discriminator = network.get_submodule(slot)
        with self.backend.autocast():
            # One after the other: in the generator's turn the source then needs no gradient.
            first, second = (discriminator(x * PEAK) for x in (fused, source))
        return first.float(), second.float()


@contextlib.contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Let no evaluation in training mode change the running statistics of `network`."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    try:
        for layer in layers:
            layer.track_running_stats = False
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def selected_similarity(visible: Tensor, other: Tensor, fused: Tensor, ties: Ties) -> Tensor:
    """Mean over the pixels of the SSIM with that image which varies more around the pixel.

    SSIM has a Gaussian window of 11 x 11 pixels, the variance one of 9 x 9, both with sigma 1.5 and
    black borders. As SSIM does not depend on the unit, nor which variance is larger, this is the
    released loss for a dynamic range of 255.

    Args:
        visible: (B, 1, H, W) in [0, 1].
        other: likewise.
        fused: likewise, not clipped.
        ties: see `Rules`.
    """
    border = [TAPS // 2] * 4
    padded = F.pad(fused, border)
    first, second = (similarity_map(F.pad(x, border), padded) for x in (visible, other))
    varied, opposed = local_variance(visible), local_variance(other)
    tie = 0.5 * (varied == opposed) * (ties == "split")
    return (((varied > opposed) + tie) * first + ((opposed > varied) + tie) * second).mean()


def local_variance(x: Tensor) -> Tensor:
    """Variance around each pixel of (B, 1, H, W): the same shape."""
    x = F.pad(x, [VARIANCE_TAPS // 2] * 4)
    mean, power = windowed_mean(torch.stack([x, x * x]), gaussian(VARIANCE_TAPS, SIGMA))
    return power - mean**2


def relative_distance(a: Tensor, b: Tensor) -> Tensor:
    """|a - b|_1 / (|a|_1 + |b|_1) over the batch, in [0, 1]; features are (B, C, h, w).

    A discriminator that maximises |a - b|_1 itself needs but multiply its weights. This distance
    has no unit and is at most 1. It is one quotient for the batch: that of a black crop alone, of
    features near zero, would have gradients without bound.
    """
    return (a - b).abs().sum() / (a.abs().sum() + b.abs().sum() + torch.finfo(a.dtype).eps)
