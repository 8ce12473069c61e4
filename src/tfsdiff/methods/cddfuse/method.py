"""CDDFuse: fuses two images by features that they share and features that each has of its own.

Source: Z. Zhao et al., "CDDFuse: Correlation-driven dual-branch feature decomposition for
multi-modality image fusion", CVPR 2023, as its released code has it. Three images are fused by two
calls, or at once by the sum of their features. Letters such as C6 are entries of
docs/methods/cddfuse.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.cddfuse import network as nets
from tfsdiff.methods.cddfuse.network import Skip, skip_image
from tfsdiff.methods.pairwise import FeedForwardFuser, LearnedPairSettings, Three, stretched
from tfsdiff.params import Count, Section

PARTS = ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")  # of a checkpoint
BLOCK = "DIDF_Encoder.encoder_level1."


class Settings(LearnedPairSettings):
    """Architecture, what of the released code is followed, and the two phases of the training."""

    # simultaneous: no calls one after another, the features of all three images are summed
    first: Literal["anatomical", "functional", "simultaneous"]
    width: Count  # of the features
    heads: Count  # of attention
    blocks: Count  # Restormer blocks of encoder and decoder
    skip: Skip  # what is added in front of the sigmoid when fusing (C6)
    stretch: Literal["official", "none"]  # each call's result from its minimum to its maximum (C9)
    rounding: Literal["none", "input"]  # of the images of each call, to 8 bits as released (C11)
    phase_1_steps: Count  # of train.steps, which rebuild images; the others fuse
    # what the decoder is given to rebuild an image, beside its features; own: the image (C6)
    phase_1_skip: Literal["own", "none"]
    # after so many steps the learning rate is halved, again and again; of encoder and decoder from
    # the start on, of the fusion layers from that of phase II (C7); null: never
    halve_steps: Count | None
    # of phase I (C3); official: DSSIM, clamp(1 - SSIM, 0, 1) / 2; paper: 1 - SSIM
    similarity: Literal["official", "paper"]
    visible_gradient: Annotated[float, Field(ge=0)]  # weight in phase I (C4); 0: paper
    redraws: Annotated[int, Field(ge=0)]  # of a crop with little contrast (C8); 0: it is taken

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.width % 2 or self.width % self.heads:
            raise ValueError("width must be even and a multiple of heads")
        if self.train is not None and self.phase_1_steps >= self.train.steps:
            raise ValueError("phase_1_steps must be below train.steps")
        return self


OFFICIAL: dict[str, Any] = {  # what computes the released results from the checkpoint MIF
    "first": "anatomical",
    "swapped": False,
    "skip": "none",
    "stretch": "official",
    "rounding": "input",
    "phase_1_steps": 32_000,
    "phase_1_skip": "own",
    "halve_steps": 16_000,
    "similarity": "official",
    "visible_gradient": 5.0,
    "redraws": 0,
    "train": None,
}


class CDDFuse(FeedForwardFuser):
    """Fusion by correlation-driven decomposition."""

    name = "cddfuse"
    Settings: ClassVar[type[Section]] = Settings
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint of the released code, strictly: all keys and shapes must be its.

        Which skip the weights were trained with, no checkpoint says: settings are those of the
        medical one (MIF), which takes none. That for infrared and visible light needs `skip: sum`.
        """
        tensors = checkpoints.load_several(checkpoint, PARTS)
        return cls.recognise(checkpoint, tensors, OFFICIAL, architecture)

    def new_network(self, recipe: Mapping[str, Any] | None = None) -> nets.CDDFuse:
        """The network that the settings describe."""
        s = self.settings
        return nets.CDDFuse(s.width, s.heads, s.blocks)

    def evaluate(self, network: nets.CDDFuse, visible: Tensor, other: Tensor) -> Tensor:
        """Fuse (B, 1, H, W) and n others (B, n, H, W), all in [0, 1], to (B, 1, H, W)."""
        images = [visible, *other.split(1, dim=1)]
        if self.settings.rounding == "input":
            images = [rounded(image) for image in images]
        fused = network(images, skip_image(images, self.settings.skip)).float()
        return stretched(fused) if self.settings.stretch == "official" else fused

    def fuse_three(self, images: Three, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse three luminances to one, (B, 1, H, W) in [0, 1], by two calls or at once."""
        if self.settings.first != "simultaneous":
            return super().fuse_three(images, generators)
        visible, other, functional = images
        if self.settings.swapped:
            visible, other = other, visible
        others = torch.cat([other, functional], dim=1)
        return self.fuse_pair(visible, others, generators).to(visible).clamp(0, 1)


def rounded(images: Tensor) -> Tensor:
    """Round images in [0, 1] to 8 bits, halves to even, as the released scripts read them."""
    return (images * 255).round() / 255


def architecture(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Read width, heads and blocks off the tensors of a checkpoint.

    Raises:
        InputError: what they are read off is missing, or no such tensor.
    """
    places = {
        "width": "DIDF_Encoder.patch_embed.proj.weight",
        "heads": f"{BLOCK}0.attn.temperature",
    }
    sizes = {}
    for name, key in places.items():
        if key not in tensors or tensors[key].ndim == 0:
            raise InputError(f"lacks {key}; is it a checkpoint of CDDFuse?")
        sizes[name] = len(tensors[key])
    numbers = {key.removeprefix(BLOCK).split(".")[0] for key in tensors if key.startswith(BLOCK)}
    return sizes | {"blocks": len(numbers)}
