"""DDFM: fuses two images by drawing from a prior of images whose luminance an EM step rectifies.

Source: Z. Zhao et al., "DDFM: Denoising diffusion model for multi-modality image fusion", ICCV
2023, as its released code has it. The prior is an unconditional diffusion: one learned from the
images at hand, or OpenAI's of photographs, which was published. Three images are fused by two
calls. Letters such as D8 are entries of docs/methods/ddfm.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import Backend
from tfsdiff.diffusion.padding import pad_to_multiple
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.ddfm import em
from tfsdiff.methods.ddfm.network import GuidedUNet, multiple
from tfsdiff.methods.ddfm.prior import SCHEDULE, estimator, evenly_spaced
from tfsdiff.methods.ddfm.settings import Settings
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.methods.pairwise import PairwiseFuser, stretched
from tfsdiff.params import Section

LEVEL = 1 / 255  # contrast below which an image is not stretched
HEAD_CHANNELS, GROUPS = 64, 32  # of the released network; no shape tells them

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


class DDFM(LearnedMethod, PairwiseFuser):
    """Fusion by a diffusion prior and expectation maximisation."""

    name = "ddfm"
    Settings: ClassVar[type[Section]] = Settings
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a bare state dict of an unconditional prior, as OpenAI's, strictly.

        Heads of attention leave no trace in it: they are of 64 channels each, as released.
        """
        tensors = checkpoints.load(checkpoint)
        found = cls.recognise(
            checkpoint,
            tensors,
            OFFICIAL,
            lambda tensors: {"network": architecture(tensors) | {"groups": groups or GROUPS}},
        )
        network = found.settings["network"]
        summary = (
            f"{sum(tensor.numel() for tensor in tensors.values()):,} parameters: "
            f"width {network['width']} x {', '.join(map(str, network['multipliers']))}; "
            f"{network['blocks']} blocks a level; "
            f"attention in the middle and at levels {network['attention_levels']}; "
            f"{network['groups']} groups; "
            f"variance {'' if network['learned_variance'] else 'not '}learned"
        )
        return replace(found, values={"prior": "imported"}, summary=summary)

    def new_network(self, recipe: Mapping[str, Any] | None = None) -> GuidedUNet:
        """The network that the settings describe."""
        return GuidedUNet(self.settings.network)

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
        pairs = zip(visible.split(1), other.split(1), generators, strict=True)
        return torch.cat([self._fuse_one(*pair) for pair in pairs])

    @torch.inference_mode()
    def _fuse_one(self, visible: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
        s = self.settings
        both = torch.cat([other, visible] if s.mode == "paper" else [visible, other])  # D2: I, V
        padded = pad_to_multiple(2 * both.to(self.backend.device) - 1, multiple(s.network))
        drawn = em.fuse(
            estimator(self.trained_network(), SCHEDULE, self.backend),
            padded.split(1),
            evenly_spaced(SCHEDULE, s.evaluations),
            s,
            [generator],
        )
        # By `official` Y of a studio swing here as well: as bright as the sources, where the luma
        # of R, G and B, which the released code stretches to the same image, is darker (D3).
        luma = em.luma_of(drawn, s.mode)[..., : visible.shape[-2], : visible.shape[-1]]
        fused = (luma.to(visible.device) + 1) / 2
        return stretched(fused, LEVEL) if s.stretch == "official" else fused


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
