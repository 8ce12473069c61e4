"""`tfsdiff import-weights`: a released checkpoint in, a folder for `tfsdiff fuse` out."""

import argparse
import sys
from pathlib import Path

from safetensors import SafetensorError

from tfsdiff import zoo
from tfsdiff.commands._input import whole
from tfsdiff.errors import InputError
from tfsdiff.zoo import released

SUMMARY = "Take over a checkpoint (.pth) in the layout of the released TFS-Diff or SR3."
EPILOG = (
    "Use it by `tfsdiff fuse --method tfsdiff --weights DIR` or, in front of another method, "
    "`tfsdiff fuse --enlarger sr3 --enlarger-weights DIR`. Strict: all keys, shapes and the noise "
    "schedule must be the released ones; code inside a checkpoint is never run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("method", metavar="METHOD", help=", ".join(released.FAMILIES))
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="the file that ends in _gen.pth")
    add("--out", required=True, type=Path, metavar="DIR", help="new folder")
    add(
        "--scale",
        type=whole("--scale", 2),
        metavar="N",
        help="factor of enlargement, which a checkpoint does not tell; absent: `fuse --scale` says",
    )
    add(
        "--groups",
        type=whole("--groups", 1),
        metavar="N",
        help="of the group normalisation, which a checkpoint does not tell either; absent: as "
        "released, 32 (SR3 with one block a level, as from 64 to 512 pixels: 16)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, check, write, and say what it was."""
    method, out = arguments.method, arguments.out
    if method not in released.FAMILIES:
        raise InputError(f"method: '{method}' is none of {', '.join(released.FAMILIES)}")
    if out.exists():
        raise InputError(f"{out}: exists; name a new folder with --out")
    member = zoo.build(method, released.FAMILIES[method].settings, arguments.scale)
    found = released.read(arguments.checkpoint, method, arguments.groups)
    sections = {"unet": found.unet, "diffusion": found.diffusion}
    recipe = {name: section.model_dump(mode="json") for name, section in sections.items()}
    try:
        zoo.write_member(out, method, member, found.weights, recipe)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{out}: cannot be written ({reason})") from None
    sys.stdout.write(f"{_summary(found)}\n")


def _summary(found: released.Released) -> str:
    unet = found.unet
    level = unet.attention_level
    return (
        f"{sum(tensor.numel() for tensor in found.weights.values()):,} parameters: "
        f"width {unet.width} x {', '.join(map(str, unet.multipliers))}; "
        f"{unet.blocks} blocks a level; "
        f"attention {'in the middle alone' if level is None else f'at level {level} too'}; "
        f"{unet.groups} groups; T = {found.diffusion.steps}"
    )
