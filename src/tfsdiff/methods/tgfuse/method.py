"""TGFuse: fuses two images by transformers over channels and patches, taught by discriminators.

Source: D. Rao, T. Xu, X.-J. Wu, "TGFuse: An infrared and visible image fusion approach based on
transformer and generative adversarial network", IEEE Transactions on Image Processing, 2023, as its
released code has it (reference page, chapter 2). Three images are fused by two calls (chapter 8).
"""

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.pair_objective import GreyPairs
from tfsdiff.methods.pairwise import Learned, LearnedPairwise
from tfsdiff.methods.tgfuse import vgg
from tfsdiff.methods.tgfuse.network import Generator, greyed, multiple_of, reflected
from tfsdiff.methods.tgfuse.objective import Adversarial, Game, Players, Rules, Ties
from tfsdiff.metrics.windows import PEAK
from tfsdiff.params import Count, Fraction, Section
from tfsdiff.pretrained import TORCHVISION

GREY = 128.0  # what the released code continues images with (T7)
NONE, RANDOM = "none", "random"


class Settings(Learned):
    """Architecture, what of the released code is followed, and the game of the training."""

    channels: Count  # of the features
    channel_patch: Count  # sides of patches, on maps of an eighth of the image
    spatial_patch: Count
    channel_width: Count  # of the two transformers
    spatial_width: Count
    heads: Count  # of their attention
    blocks: Count  # of each
    padding: Literal["reflect", "official"]  # to the sides that the network takes (T7)
    rounding: Literal["none", "truncate"]  # of each call's result, to 8 bits as released (T8)
    training: Game  # (T1, T2, T5, T6)
    ties: Ties  # pixels around which both images vary alike (T4)
    adversarial: Annotated[float, Field(ge=0)]  # weight of the distances for the generator
    margin: Fraction  # a distance, at most 1, beyond which a discriminator is content
    discriminator_rate: Annotated[float, Field(gt=0)]  # factor to train.learning_rate
    discriminators: str  # file of VGG-16 features, torchvision, random; none: official alone
    discriminator_width: Annotated[float, Field(gt=0, le=1)]  # 1: VGG-16

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.channel_width % self.heads or self.spatial_width % self.heads:
            raise ValueError("channel_width and spatial_width must be multiples of heads")
        if self.training == "paper" and self.discriminators == NONE:
            raise ValueError("training paper needs discriminators; set training to official")
        if self.discriminator_width != 1 and self.discriminators not in (NONE, RANDOM):
            raise ValueError(
                "VGG-16 has discriminator_width 1; narrower discriminators must be random"
            )
        return self

    @property
    def multiple(self) -> int:
        """What height and width must be multiples of for the network."""
        return multiple_of(self.channel_patch, self.spatial_patch)


OFFICIAL: dict[str, Any] = {  # what computes the released results from the released checkpoint
    "first": "anatomical",
    "swapped": False,
    "heads": 4,
    "padding": "official",
    "rounding": "truncate",
    "training": "official",
    "ties": "zero",
    "adversarial": 0.0,
    "margin": 1.0,
    "discriminator_rate": 1.0,
    "discriminators": TORCHVISION,
    "discriminator_width": 1.0,
    "train": None,
}


class TGFuse(LearnedPairwise):
    """Fusion by transformers and a generative adversarial network."""

    Settings: ClassVar[type[Section]] = Settings
    name = "tgfuse"
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint of the released code, strictly: all keys and shapes must be its.

        The number of heads leaves no trace in a checkpoint: it is the released one.
        """
        if groups is not None:
            raise InputError(f"--groups: {cls.__name__} normalises no groups; leave it out")
        tensors = checkpoints.load(checkpoint)
        return cls.recognise(checkpoint, tensors, OFFICIAL, architecture)

    def new_network(self, learning: bool) -> Generator | Players:
        """The generator, where it is `learning` among the players."""
        s = self.settings
        generator = Generator(
            channels=s.channels,
            channel_patch=s.channel_patch,
            spatial_patch=s.spatial_patch,
            channel_width=s.channel_width,
            spatial_width=s.spatial_width,
            heads=s.heads,
            blocks=s.blocks,
        )
        if not learning:
            return generator
        players = Players(generator, None if s.discriminators == NONE else s.discriminator_width)
        if s.discriminators not in (NONE, RANDOM):
            tensors = features(s.discriminators)
            players.visible.take(tensors)
            players.other.take(tensors)
        return players

    def objective(self, pairs: GreyPairs, backend: Backend) -> Adversarial:
        """The game that the settings describe."""
        s = self.settings
        rules = Rules(
            game=s.training,
            ties=s.ties,
            weight=s.adversarial,
            margin=s.margin,
            rate=s.discriminator_rate,
            discriminators=s.discriminators != NONE,
            multiple=s.multiple,
        )
        return Adversarial(pairs, s.train, backend, rules)

    def evaluate(self, network: nn.Module, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) in [0, 1] twice to (B, 1, H, W) in [0, 1]."""
        height, width = visible.shape[-2:]
        fused = network(*(self._padded(x * PEAK) for x in (visible, other))).float()
        fused = fused[..., :height, :width].clamp(0, PEAK)
        return (fused.floor() if self.settings.rounding == "truncate" else fused) / PEAK

    def _padded(self, x: Tensor) -> Tensor:
        """Continue (B, 1, H, W) in 0..255 to sides that the network takes."""
        if self.settings.padding == "reflect":
            return reflected(x, self.settings.multiple)
        return greyed(x, 2 * self.settings.multiple, GREY)  # 256 for the released patches

    def kept(self, network: nn.Module) -> dict[str, Tensor]:
        """Weights of the generator alone, in the released layout."""
        return (network.generator if isinstance(network, Players) else network).state_dict()


def features(source: str) -> dict[str, Tensor]:
    """What the discriminators start from, see `vgg.pretrained`."""
    try:
        return vgg.pretrained(source)
    except InputError as error:
        raise InputError(f"methods.tgfuse.discriminators: {error}") from None


def architecture(tensors: dict[str, Tensor]) -> dict[str, int]:
    """Read what sizes there are off the tensors of a checkpoint.

    Raises:
        InputError: what they are read off is missing, or no such tensor.
    """
    places = {
        "channels": ("conv_out.conv2d.weight", 4, 1),
        "channel_patch": ("ctrans3.embedding.1.weight", 2, 1),
        "spatial_patch": ("strans3.depatch.projection.0.weight", 2, 0),
        "channel_width": ("ctrans3.embedding.1.weight", 2, 0),
        "spatial_width": ("strans3.embedding.1.weight", 2, 0),
    }
    sizes = {}
    for name, (key, dimensions, axis) in places.items():
        if key not in tensors or tensors[key].ndim != dimensions:
            raise InputError(f"lacks {key}; is it a checkpoint of TGFuse?")
        size = tensors[key].shape[axis]
        sizes[name] = math.isqrt(size) if name.endswith("patch") else size
    numbers = {key.split(".")[3] for key in tensors if key.startswith("ctrans3.en.blocks.")}
    return sizes | {"blocks": len(numbers)}
