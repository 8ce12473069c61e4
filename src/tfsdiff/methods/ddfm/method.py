"""DDFM: fuses two images by drawing from a prior of images whose luminance an EM step rectifies.

Source: Z. Zhao et al., "DDFM: Denoising diffusion model for multi-modality image fusion", ICCV
2023, as its released code has it (reference page, chapter 3). The prior is an unconditional
diffusion: one learned from the images at hand, or OpenAI's of photographs, which was published.
Three images are fused by two calls (chapter 8).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.diffusion.schedule import linear
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Examples, Imported, Recipe
from tfsdiff.methods.ddfm import em, prior
from tfsdiff.methods.ddfm.em import Chain, Mode, Rule
from tfsdiff.methods.ddfm.network import Architecture, GuidedUNet, multiple, network_without_weights
from tfsdiff.methods.ddfm.prior import Images, PriorEvaluator, PriorObjective
from tfsdiff.methods.pairwise import Arrangement, Lesson, Networked, stretched
from tfsdiff.params import Section, Train, validate
from tfsdiff.training.loader import check_crop

STEPS = 1000  # T; with the schedule it belongs to the weights, which leave no trace of it
SCHEDULE = linear(STEPS, 1e-4, 2e-2)
LEVEL = 1 / 255  # contrast below which an image is not stretched
HEAD_CHANNELS, GROUPS = 64, 32  # of the released network; no shape tells them


class Settings(Arrangement):
    """The prior, how it is drawn from, and what of the released code is followed."""

    network: Architecture
    mode: Mode  # paper | official: all of D1 to D4, D6 and D7 at once
    sampler: Chain  # ddim: as released | ancestral: the paper's figure (D8)
    evaluations: Annotated[int, Field(ge=1, le=STEPS)]  # of the network a call (D8)
    tv_weight: Annotated[float, Field(gt=0)]  # lambda of the released code, psi of the paper (D5)
    tv_coupling: Annotated[float, Field(ge=0)]  # rho of the released code, eta of the paper (D5)
    stretch: Literal["official", "none"]  # each call's result from minimum to maximum (D10)
    train: Train | None  # null: of imported weights

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        step, crop = multiple(self.network), self.train and self.train.crop_pixels
        if crop and crop % step:
            raise ValueError(f"train.crop_pixels must be a multiple of {step}: a crop is halved")
        return self


OFFICIAL: dict[str, Any] = {  # what computes the released results from OpenAI's checkpoint
    "first": "anatomical",
    "swapped": False,
    "mode": "official",
    "sampler": "ddim",
    "evaluations": 100,
    "tv_weight": 0.5,
    "tv_coupling": 0.001,
    "stretch": "official",
    "train": None,
}


class DDFM(Networked):
    """Fusion by a diffusion prior and expectation maximisation."""

    Settings: ClassVar[type[Section]] = Settings
    name = "ddfm"
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a bare state dict of an unconditional prior, as OpenAI's, strictly.

        Heads of attention leave no trace in it: they are of 64 channels each, as released.
        """
        tensors = checkpoints.load(checkpoint)
        try:
            sizes = architecture(tensors) | {"groups": groups or GROUPS}
            network = validate(sizes, Architecture, "the network cannot be built")
            checkpoints.check(tensors, network_without_weights(network).state_dict())
        except InputError as error:
            raise InputError(f"{checkpoint}: {error}") from None
        count = sum(tensor.numel() for tensor in tensors.values())
        summary = (
            f"{count:,} parameters: width {network.width} x "
            f"{', '.join(map(str, network.multipliers))}; {network.blocks} blocks a level; "
            f"attention in the middle and at levels {list(network.attention_levels)}; "
            f"{network.groups} groups; variance {'' if network.learned_variance else 'not '}learned"
        )
        settings = OFFICIAL | {"network": network.model_dump(mode="json")}
        return Imported(settings, tensors, {"prior": "imported"}, summary)

    def new_network(self, learning: bool) -> GuidedUNet:
        """The network that the settings describe."""
        return GuidedUNet(self.settings.network)

    def lesson(
        self, train: Examples, validation: Examples, recipe: Recipe, backend: Backend
    ) -> Lesson:
        """The prior of all images of `train`."""
        s = self.settings
        check_crop(s.train, 1, tuple(train.high.sources.shape[-2:]))
        learned, unseen = (
            PriorObjective(images_of(x), SCHEDULE, s.train, multiple(s.network), backend)
            for x in (train, validation)
        )
        sections = [part.model_dump(mode="json") for part in (s.network, s.train)]
        return Lesson(
            learned,
            PriorEvaluator(unseen, recipe.seed),
            [type(self).__name__, sections, self.values(recipe)],
            [objective.examples.images for objective in (learned, unseen)],
        )

    def values(self, recipe: Recipe) -> dict[str, Any]:
        """The recipe, and under `prior` that it is its `own`, not an `imported` one."""
        return recipe.values() | {"prior": "own"}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any], backend: Backend) -> None:
        """Take back what `state` gave, to compute by `backend`."""
        if values.get("prior") not in ("own", "imported"):
            raise InputError("lacks `prior`, own or imported; train or import it again")
        super().restore(tensors, values, backend)

    def fuse_pair(
        self, visible: Tensor, other: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Fuse luminances (B, 1, H, W) in [0, 1] to one; one generator an image.

        One image at a time: the EM step decides by differences near zero, and what a batch does to
        the last bits of the prior's estimate would show.
        """
        if self.network is None:
            raise ValueError("needs weights (fit or restore) before it can fuse")
        pairs = zip(visible.split(1), other.split(1), generators, strict=True)
        return torch.cat([self._fuse_one(*pair) for pair in pairs])

    @torch.inference_mode()
    def _fuse_one(self, visible: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
        s = self.settings
        both = torch.cat([other, visible] if s.mode == "paper" else [visible, other])  # D2: I, V
        padded = pad_to_multiple(2 * both.to(self.backend.device) - 1, multiple(s.network))
        rule = Rule(s.mode, s.tv_weight, s.tv_coupling)
        drawn = em.fuse(
            prior.estimator(self.network, SCHEDULE, self.backend),
            padded.split(1),
            em.respaced(SCHEDULE, s.evaluations),
            rule,
            s.sampler,
            [generator],
        )
        # By `official` Y of a studio swing here as well: as bright as the sources, where the luma
        # of R, G and B, which the released code stretches to the same image, is darker (D3).
        luma = em.luma_of(drawn, rule)[..., : visible.shape[-2], : visible.shape[-1]]
        fused = (luma.to(visible.device) + 1) / 2
        return stretched(fused, LEVEL) if s.stretch == "official" else fused


def images_of(examples: Examples) -> Images:
    """All images of all modalities to learn from, those of pairs beside the groups as well."""
    batch, pairs = examples.high, examples.pairs
    images = [batch.sources.flatten(0, 1)]
    names = [f"{group} source {i}" for group in batch.groups for i in range(1, 4)]
    if pairs is not None and len(pairs):
        images.append(pairs.images.flatten(0, 1))
        names += [f"{pair} image {i}" for pair in pairs.names for i in (1, 2)]
    return Images(tuple(names), 2 * torch.cat(images) - 1)


def architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read all of the architecture but the groups off the tensors of a checkpoint.

    A block that halves looks like any other: their number is told by those that double, which
    alone are second residual blocks of their entries.

    Raises:
        InputError: what it is read off is missing, or no such tensor.
    """
    width = _shape(tensors, "time_embed.0.weight", 2)[1]
    entries = len({key.split(".")[1] for key in tensors if key.startswith("input_blocks.")})
    doubling = [
        key
        for key in tensors
        if key.startswith("output_blocks.")
        and key.endswith(".in_layers.0.weight")
        and key.split(".")[2] != "0"
    ]
    levels = len(doubling) + 1
    if width == 0 or entries % levels or entries // levels < 2:
        raise InputError("is no guided-diffusion network: its entries make no whole levels")
    firsts = [1 + level * (entries // levels) for level in range(levels)]
    tops = [_shape(tensors, f"input_blocks.{i}.0.out_layers.3.weight", 4)[0] for i in firsts]
    attend = [n for n, i in enumerate(firsts) if f"input_blocks.{i}.1.qkv.weight" in tensors]
    return {
        "width": width,
        "multipliers": [top // width for top in tops],
        "blocks": entries // levels - 1,
        "attention_levels": attend,
        "head_channels": HEAD_CHANNELS,
        "learned_variance": _shape(tensors, "out.2.weight", 4)[0] == 6,
    }


def _shape(tensors: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in tensors or tensors[key].ndim != dimensions:
        raise InputError(f"lacks {key}; is it a prior of guided diffusion?")
    return tuple(tensors[key].shape)
