"""`tfsdiff fuse`: three images in, one fused image out."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.commands._input import read_registered, whole
from tfsdiff.commands._members import PUBLISHED, make_enlarger, make_fuser, names
from tfsdiff.data.images import to_8bit, write_png
from tfsdiff.errors import InputError
from tfsdiff.fusers.base import Enlarger, Fuser
from tfsdiff.seeding import generator
from tfsdiff.tensors import Batch

SUMMARY = "Fuse two anatomical images and a functional one into an 8-bit RGB PNG."
EPILOG = (
    "Images may be PNG, JPEG, TIFF, BMP or GIF, grey or colour, of any size, but registered and of "
    "one size. Methods without anything to learn use the published constants: "
    + "; ".join(
        f"{name} {' '.join(f'{key}={value}' for key, value in values.items())}"
        for name, values in PUBLISHED.items()
        if values
    )
    + "."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enlargers = ", ".join(names(Enlarger))
    add = parser.add_argument
    add("--method", required=True, help=", ".join(names(Fuser)))
    add("--anatomical", required=True, nargs=2, type=Path, metavar=("A", "B"))
    add("--functional", required=True, type=Path, metavar="F")
    add("--out", required=True, type=Path, help="PNG to write; its folder is made")
    add("--weights", type=Path, metavar="DIR", help="folder that `train` wrote, if learned")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a constant")
    add("--scale", type=whole("--scale", 2), metavar="N", help="make an image N times as large")
    add("--enlarger", help=f"{enlargers}; in front of a method that cannot enlarge (bicubic)")
    add("--enlarger-weights", type=Path, metavar="DIR", help="folder that `train` wrote")
    add("--seed", type=whole("--seed", 0), default=0, help="of the noise of diffusion models (0)")
    add(
        "--steps",
        type=whole("--steps", 1),
        metavar="N",
        help="draw by DDIM in N steps instead of by all steps of the training",
    )
    add("--device", default="cpu", help="cpu (default) or cuda")


def run(arguments: argparse.Namespace) -> None:
    """Read, fuse, write."""
    paths = [*arguments.anatomical, arguments.functional]
    _check_out(arguments.out, paths)
    _check_device(arguments.device)
    fuser = make_fuser(
        arguments.method, arguments.set, arguments.weights, arguments.steps, arguments.device
    )
    enlarger = _enlarger(arguments, fuser)
    sources = read_registered(paths, "register the three and give them one size")
    if enlarger is not None:
        sources = _mendable("--enlarger", lambda: _enlarge(enlarger, sources, arguments))
    noise = [generator(arguments.seed, "fuse", arguments.method)]
    batch = Batch(("image",), sources[None])
    fused = _mendable(arguments.method, lambda: fuser.fuse(batch, noise))
    _write(arguments.out, fused[0])


def _enlarger(arguments: argparse.Namespace, fuser: Fuser) -> Enlarger | None:
    if fuser.scale is None and arguments.scale is not None:
        return make_enlarger(
            arguments.enlarger or "bicubic",
            arguments.scale,
            arguments.enlarger_weights,
            arguments.steps,
            arguments.device,
        )
    if fuser.scale != arguments.scale:  # a fuser with a scale of its own enlarges by itself
        times = f"makes images {fuser.scale} times as large as its sources"
        raise InputError(f"{arguments.weights}: {times}; give it --scale {fuser.scale}")
    if arguments.enlarger or arguments.enlarger_weights:
        reason = "enlarges by itself" if fuser.scale else "does not enlarge without --scale"
        raise InputError(
            f"{arguments.method} {reason}; leave out --enlarger and --enlarger-weights"
        )
    return None


def _enlarge(enlarger: Enlarger, sources: Tensor, arguments: argparse.Namespace) -> Tensor:
    noise = [generator(arguments.seed, "enlarge", index) for index in range(len(sources))]
    return enlarger.enlarge(sources, noise)


def _mendable(name: str, function: Callable[[], Tensor]) -> Tensor:
    # What members refuse at their door is, here, the user's image (too small for a filter, say).
    try:
        return function()
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def _check_out(out: Path, inputs: list[Path]) -> None:
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: only PNG is written; end the name in .png")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; name a file")
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out}: is an input too; name another file with --out")


def _check_device(device: str) -> None:
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device: '{device}' is none of cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: torch finds no CUDA device here; use cpu")


def _write(out: Path, image: Tensor) -> None:
    try:
        write_png(out, to_8bit(image))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
