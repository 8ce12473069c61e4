"""Training of TGFuse: structural similarity to both images, and two discriminators against it.

The generator is to make an image that is like whichever source varies more around a pixel (the loss
on structural similarity), and that neither discriminator can tell from its source by the features
it sees. In a game of that kind each discriminator looks for features in which the fused image and
its source still differ, raises that distance, and so shows the generator what it has yet to carry
over. The discriminators start from VGG-16: shallow features for the visible image, deep ones for
the other.

The released training is not that game: the discriminators never reach the generator (T1) and
minimise the distance that they are to maximise (T2). Here `training: paper` plays the game, and
`official` does as released: all losses are divided by the batch (T5), and the generator's batch
statistics are updated in every update (T6). Not reproduced: the released code makes new optimisers
for every step, whose steps are of the size of the learning rate (T3). Letters are entries of
docs/methods/tgfuse.md.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods.base import Examples
from tfsdiff.methods.fitting import initial_network, train_section
from tfsdiff.methods.pair_objective import GreyPairs, PairObjective, fit_on_pairs
from tfsdiff.methods.tgfuse import vgg
from tfsdiff.methods.tgfuse.method import RANDOM, Settings, TGFuse
from tfsdiff.methods.tgfuse.network import Generator, reflected
from tfsdiff.metrics.ssim import SIGMA, TAPS, similarity_map
from tfsdiff.metrics.windows import PEAK, gaussian, windowed_mean
from tfsdiff.training.log import Log, Recipe
from tfsdiff.training.loop import ParamGroup, Update

# The features of VGG-16 that a discriminator looks at.
DEPTHS: dict[str, vgg.Depth] = {"visible": "relu_1_2", "other": "relu_3_3"}
VARIANCE_TAPS = 9


def fit(
    method: TGFuse,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    backend: Backend,
    log: Log,
) -> None:
    """Train the generator of `method`, with its discriminators, on all pairs of `train`.

    Raises:
        InputError: the features that the discriminators start from cannot be read.
    """
    train_section(method)
    players = initial_network(lambda: new_players(method), recipe.seed)
    trained = fit_on_pairs(method, players, Adversarial, train, validation, recipe, backend, log)
    method.set_network(trained.generator, recipe.values(), backend)


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
            self.visible = vgg.VGG(DEPTHS["visible"], width)
            self.other = vgg.VGG(DEPTHS["other"], width)

    def forward(self, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse as the generator does."""
        return self.generator(visible, other)


def new_players(method: TGFuse) -> Players:
    """Generator and discriminators with their initial weights."""
    s = method.settings
    players = Players(method.new_network(), s.discriminator_width if s.opposed else None)
    if s.opposed and s.discriminators != RANDOM:
        try:
            tensors = vgg.pretrained(s.discriminators)
        except InputError as error:
            raise InputError(f"methods.{method.name}.discriminators: {error}") from None
        players.visible.take(tensors)
        players.other.take(tensors)
    return players


class Adversarial(PairObjective):
    """A generator, and discriminators which tell its images from those that it fused."""

    settings: Settings

    def __init__(self, pairs: GreyPairs, settings: Settings, backend: Backend) -> None:
        super().__init__(pairs, settings, backend)
        slots = DEPTHS if settings.opposed else ()
        self.groups = (
            ParamGroup("generator."),
            *(ParamGroup(f"{slot}.", lambda step: settings.discriminator_rate) for slot in slots),
        )

    def updates(self, step: int) -> Sequence[Update]:
        """The generator, then the discriminators: together, or one by one as released."""
        generator = Update(self.fusing, ("generator.",))
        if not self.settings.opposed:
            return (generator,)
        if self.settings.training == "paper":
            groups = tuple(f"{slot}." for slot in DEPTHS)
            return generator, Update(self.telling_apart, groups, "discriminators")
        return generator, *(
            Update(partial(self.approaching, slot), (f"{slot}.",), slot) for slot in DEPTHS
        )

    def fuse(self, network: nn.Module, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, h, w) in [0, 1] of any size to (B, 1, h, w), not clipped."""
        height, width = visible.shape[-2:]
        inputs = (reflected(x, self.settings.multiple) * PEAK for x in (visible, other))
        with self.backend.autocast():
            fused = network(*inputs)
        return fused.float()[..., :height, :width] / PEAK

    def fusing(self, network: nn.Module, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of the generator."""
        fused = self.fuse(network, visible, other)
        structure = 1 - selected_similarity(visible, other, fused, self.settings.ties)
        if self.settings.training == "official":
            return {"loss": structure / len(fused), "structure": structure}
        distances = self.distances(network, fused, visible, other)
        loss = structure + self.settings.adversarial * sum(distances.values())
        return {"loss": loss, "structure": structure, **distances}

    def telling_apart(self, network: Players, visible: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Terms of both discriminators, which maximise the distances up to the margin."""
        with torch.no_grad(), statistics_kept(network):
            fused = self.fuse(network, visible, other)
        distances = self.distances(network, fused, visible, other)
        loss = sum(F.relu(self.settings.margin - distance) for distance in distances.values())
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
            # One after the other: in the generator's update the source then needs no gradient.
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


def selected_similarity(visible: Tensor, other: Tensor, fused: Tensor, ties: str) -> Tensor:
    """Mean over the pixels of the SSIM with that image which varies more around the pixel.

    SSIM has a Gaussian window of 11 x 11 pixels, the variance one of 9 x 9, both with sigma 1.5 and
    black borders. As SSIM does not depend on the unit, nor which variance is larger, this is the
    released loss for a dynamic range of 255.

    Args:
        visible: (B, 1, H, W) in [0, 1].
        other: likewise.
        fused: likewise, not clipped.
        ties: see `Settings`.
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
