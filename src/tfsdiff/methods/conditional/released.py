"""Checkpoints in the layout of the released SR3 and TFS-Diff.

A checkpoint is the state dict of the whole diffusion: the network below `denoise_fn.`, and twelve
float32 buffers with one value for each of T noise levels. The architecture is read off keys and
shapes; whatever then differs from the network built of it, or from the released schedule, is
refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.tensors import CHANNELS
from tfsdiff.diffusion import schedule
from tfsdiff.methods import checkpoints
from tfsdiff.methods.base import Imported
from tfsdiff.methods.checkpoints import Shapes
from tfsdiff.methods.conditional.network import ConditionalUNet, Gate
from tfsdiff.params import Diffusion, UNet, validate

LEARNING = {
    "process": "diffusion",
    "prediction": None,
    "noise_loss": "l1",
    "enlargement": "pillow",  # by which the released conditions were made, in 8 bits
}
GROUPS = 32  # of the group normalisation
NETWORK = "denoise_fn."
OUTPUT = "res_block.block2.block.3.weight"  # the convolution that gives a residual unit its width
BETA_START, BETA_END = 1e-6, 1e-2
MOST_NOISE_LEVELS = 100_000
TOLERANCE = 1e-6  # relative; float32 rounds by 6e-8, other schedules differ by far more


@dataclass(frozen=True)
class Family:
    """What a checkpoint does not say, but the released code.

    Attributes:
        name: of the method that draws by such a network.
        condition_channels: of the network's input, beside the noisy image.
        settings: the released training as settings of the method.
        narrow_groups: of the group normalisation of a network with one block a level.
    """

    name: str
    condition_channels: int
    settings: dict[str, Any]
    narrow_groups: int = GROUPS

    @property
    def gate(self) -> tuple[Gate, int]:
        """What the gate acts on, and how far it squeezes."""
        return self.settings.get("tmfa", "none"), self.settings.get("tmfa_ratio", 1)


def read(path: Path, family: Family, groups: int | None = None) -> Imported:
    """Read and check the checkpoint `path` of a network of `family`.

    Args:
        path: what the released code names `..._gen.pth`; unpickled as tensors alone.
        family: of the method that takes it.
        groups: of the group normalisation, which leave no trace in a checkpoint; None: as released.

    Raises:
        InputError: the file is damaged, or differs from the released layout in any way.
    """
    tensors = checkpoints.load(path)
    try:
        weights = {k.removeprefix(NETWORK): v for k, v in tensors.items() if k.startswith(NETWORK)}
        unet = recognise(checkpoints.shapes(weights), family, groups)
        diffusion = _recognise_steps(
            {k: v for k, v in tensors.items() if not k.startswith(NETWORK)}
        )
        checkpoints.check_finite(tensors)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    sections = {"unet": unet, "diffusion": diffusion}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    return Imported(dict(family.settings), weights, values, _summary(weights, unet, diffusion))


def _summary(weights: Mapping[str, Tensor], unet: UNet, diffusion: Diffusion) -> str:
    level = unet.attention_level
    return (
        f"{sum(tensor.numel() for tensor in weights.values()):,} parameters: "
        f"width {unet.width} x {', '.join(map(str, unet.multipliers))}; "
        f"{unet.blocks} blocks a level; "
        f"attention {'in the middle alone' if level is None else f'at level {level} too'}; "
        f"{unet.groups} groups; T = {diffusion.noise_levels}"
    )


def recognise(shapes: Shapes, family: Family, groups: int | None = None) -> UNet:
    """Read the architecture off the `shapes` of the network's tensors, and compare all of them.

    Raises:
        InputError: a tensor is missing, unknown or of another shape.
    """
    width, channels = _dimensions(shapes, "downs.0.weight", 4)[:2]
    wanted = family.condition_channels + CHANNELS
    if channels != wanted:
        raise InputError(
            f"the network takes {channels} channels, that of {family.name} {wanted}; "
            "name the method that it was made for"
        )
    levels = _levels(shapes)
    attend = [n for n, level in enumerate(levels) if f"downs.{level[0]}.attn.qkv.weight" in shapes]
    tops = [_dimensions(shapes, f"downs.{level[0]}.{OUTPUT}", 4)[0] for level in levels]
    blocks = len(levels[0])
    groups = groups or (family.narrow_groups if blocks == 1 else GROUPS)
    if width % groups:
        raise InputError(
            f"width {width} is no multiple of {groups} groups; give their number by --groups"
        )
    values = {
        "width": width,
        "multipliers": [top // max(width, 1) for top in tops],
        "blocks": blocks,
        "attention_level": attend[0] if attend else None,
        "groups": groups,
        "dropout": 0.0 if blocks == 1 else 0.2,
        "initialisation": "orthogonal",
    }
    unet = validate(values, UNet, "the network cannot be built")
    with torch.device("meta"):
        network = ConditionalUNet(family.condition_channels, unet, *family.gate)
    checkpoints.check_shapes(shapes, checkpoints.shapes(network.state_dict()), NETWORK)
    return unet


def _levels(shapes: Shapes) -> list[list[int]]:
    """Positions of the residual units in `downs`, level by level; a level ends by halving."""
    levels: list[list[int]] = [[]]
    for i in count(1):
        if f"downs.{i}.conv.weight" in shapes:
            levels.append([])
        elif f"downs.{i}.{OUTPUT}" in shapes:
            levels[-1].append(i)
        else:
            break
    if not all(levels):
        raise InputError("`downs` are not those of a released network: a level lacks its units")
    return levels


def _dimensions(shapes: Shapes, key: str, number: int) -> tuple[int, ...]:
    if key not in shapes:
        raise InputError(f"lacks {NETWORK}{key}; is it a checkpoint of this method?")
    if len(shapes[key]) != number:
        raise InputError(f"{NETWORK}{key} has {len(shapes[key])} dimensions, not {number}")
    return shapes[key]


def _recognise_steps(buffers: dict[str, Tensor]) -> Diffusion:
    """Take T from the buffers, and hold all their values against the released schedule."""
    noise_levels = len(buffers["betas"]) if "betas" in buffers and buffers["betas"].ndim else 0
    if not 1 <= noise_levels <= MOST_NOISE_LEVELS:
        raise InputError("lacks its noise schedule, the buffer betas")
    settings = Diffusion(
        noise_levels=noise_levels,
        schedule="linear",
        beta_start=BETA_START,
        beta_end=BETA_END,
        prediction="eps",
        levels="time",
    )
    expected = schedule_buffers(schedule.make(settings))
    checkpoints.check_shapes(checkpoints.shapes(buffers), checkpoints.shapes(expected))
    for name, values in expected.items():
        difference = (buffers[name].double() - values).abs()
        if not (difference <= TOLERANCE * values.abs() + 1e-12).all():
            raise InputError(
                f"{name} is not that of {noise_levels} levels of the released schedule, linear "
                f"from {BETA_START:g} to {BETA_END:g}"
            )
    return settings


def schedule_buffers(made: schedule.Schedule) -> dict[str, Tensor]:
    """The twelve buffers of a released diffusion, by name: (T,) float64."""
    alpha_bar, previous = made.alpha_bar[1:], made.alpha_bar[:-1]
    alpha = alpha_bar / previous
    beta, left, left_previous = 1 - alpha, 1 - alpha_bar, 1 - previous
    variance = beta * left_previous / left
    return {
        "betas": beta,
        "alphas_cumprod": alpha_bar,
        "alphas_cumprod_prev": previous,
        "sqrt_alphas_cumprod": alpha_bar.sqrt(),
        "sqrt_one_minus_alphas_cumprod": left.sqrt(),
        "log_one_minus_alphas_cumprod": left.log(),
        "sqrt_recip_alphas_cumprod": (1 / alpha_bar).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (left / alpha_bar).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": beta * previous.sqrt() / left,
        "posterior_mean_coef2": left_previous * alpha.sqrt() / left,
    }
