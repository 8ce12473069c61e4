"""TGFuse: fuses two images by transformers over channels and patches, taught by discriminators.

Source: D. Rao, T. Xu, X.-J. Wu, "TGFuse: An infrared and visible image fusion approach based on
transformer and generative adversarial network", IEEE Transactions on Image Processing, 2023, as its
released code has it. Three images are fused by two calls. Letters such as T7 are entries of
docs/methods/tgfuse.md.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from tfsdiff.common.errors import InputError
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.pairwise import FeedForwardFuser, LearnedPairSettings
from tfsdiff.methods.tgfuse.network import Generator, greyed, multiple_of, reflected
from tfsdiff.metrics.windows import PEAK
from tfsdiff.params import Count, Fraction, Section
from tfsdiff.pretrained import TORCHVISION

GREY = 128.0  # what the released code continues images with (T7)
NONE, RANDOM = "none", "random"


class Settings(LearnedPairSettings):
    """Architecture, what of the released code is followed, and the game of the training."""

    channels: Count  # of the features
    channel_patch: Count  # side of a patch of the channel transformer, on maps of 1/8 of the image
    spatial_patch: Count  # side of a patch of the spatial transformer, on the same maps
    channel_width: Count  # of the channel transformer
    spatial_width: Count  # of the spatial transformer
    heads: Count  # of the attention of both transformers
    blocks: Count  # of each transformer
    padding: Literal["reflect", "official"]  # to the sides that the network takes (T7)
    rounding: Literal["none", "truncate"]  # of each call's result, to 8 bits as released (T8)
    # paper: the discriminators maximise a distance that the generator minimises; official: they
    # minimise it, and it never reaches the generator (T1, T2, T5, T6)
    training: Literal["paper", "official"]
    # pixels around which both images vary alike, all of a black background: split: half of either
    # similarity counts; zero: nothing does, as released (T4)
    ties: Literal["split", "zero"]
    adversarial: Annotated[float, Field(ge=0)]  # weight of the distances for the generator
    # a distance, at most 1, beyond which a discriminator gains nothing; one that goes on to 1
    # switches off, one by one, all features that both images have, and is left blind
    margin: Fraction
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

    @property
    def opposed(self) -> bool:
        """Whether there are discriminators."""
        return self.discriminators != NONE


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


class TGFuse(FeedForwardFuser):
    """Fusion by transformers and a generative adversarial network."""

    name = "tgfuse"
    Settings: ClassVar[type[Section]] = Settings
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint of the released code, strictly: all keys and shapes must be its.

        The number of heads leaves no trace in a checkpoint: it is the released one.
        """
        tensors = checkpoints.load(checkpoint)
        return cls.recognise(checkpoint, tensors, OFFICIAL, architecture)

    def new_network(self, recipe: Mapping[str, Any] | None = None) -> Generator:
        """The generator that the settings describe."""
        s = self.settings
        return Generator(
            channels=s.channels,
            channel_patch=s.channel_patch,
            spatial_patch=s.spatial_patch,
            channel_width=s.channel_width,
            spatial_width=s.spatial_width,
            heads=s.heads,
            blocks=s.blocks,
        )

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


def architecture(tensors: Mapping[str, Tensor]) -> dict[str, int]:
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
