"""`tfsdiff fuse`: three images in, one fused image out."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from tfsdiff.cli.images import read_registered, whole
from tfsdiff.cli.options import (
    enlarges,
    fuses,
    make_backend,
    make_enlarger,
    make_fuser,
    names,
)
from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.core.backend import Backend
from tfsdiff.core.seeding import generator
from tfsdiff.core.tensors import Batch
from tfsdiff.data.images import to_8bit, write_png
from tfsdiff.data.slices import ANATOMICAL, FUNCTIONAL, in_order
from tfsdiff.evaluation.ensemble import GAIN, moments, picture
from tfsdiff.methods import method_class, shipped
from tfsdiff.methods.base import Enlarger, Fuser
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.methods.pairwise import PairwiseFuser, first_is_visible

SUMMARY = "Fuse two anatomical images and a functional one into an 8-bit RGB PNG."


def epilog() -> str:
    """Text that --help prints below the options."""
    published = {name: method_class(name).published for name in names(fuses)}
    constants = "; ".join(
        f"{name} {' '.join(f'{key}={value}' for key, value in values.items())}"
        for name, values in published.items()
        if values
    )
    return (
        f"METHOD is one of {', '.join(published)}; ENLARGER one of {', '.join(names(enlarges))}. "
        f"Weights in the package: {shipped_weights()}. "
        "Images may be PNG, JPEG, TIFF, BMP or GIF, grey or colour, of any size, but registered "
        "and of one size. Methods without anything to learn use the published constants: "
        f"{constants}. With --samples K, OUT is the mean of the fusions of the seeds SEED to SEED "
        "+ K - 1, and two files beside it hold their standard deviation at each pixel (divisor "
        f"K - 1, root mean square over R, G, B): OUT-deviation.png, 8 bit, {GAIN} levels for each "
        f"grey level of deviation, saturated from {255 / GAIN:g} on; and OUT-deviation.tif, "
        "32-bit floating point, in grey levels of 0..255."
    )


def shipped_weights() -> str:
    """Names of the weights in the package."""
    return ", ".join(folder.name for folder in shipped.all_folders()) or "none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--method",
        help=f"listed below; absent: {shipped.JOINT} with --scale and no --enlarger, else "
        f"{shipped.FUSER}",
    )
    add(
        "--anatomical",
        required=True,
        nargs=2,
        type=Path,
        metavar=("A", "B"),
        help="CT or MR images",
    )
    add("--functional", required=True, type=Path, metavar="F", help="PET or SPECT")
    add(
        "--modalities",
        nargs=3,
        metavar=("MA", "MB", "MF"),
        help=f"of A, B ({', '.join(ANATOMICAL)}: in this order) and F ({', '.join(FUNCTIONAL)}): "
        "decide which image takes the place of the visible one in a method made for visible and "
        "infrared light; absent: B takes it",
    )
    add("--out", required=True, type=Path, help="PNG to write; its folder is made")
    add(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder of `train` or `import-weights`, if learned; absent: those of the package",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting that matters when fusing, e.g. stretch=none",
    )
    add("--scale", type=whole("--scale", 2), metavar="N", help="make an image N times as large")
    add("--enlarger", help="in front of a method that cannot enlarge; listed below (bicubic)")
    add("--enlarger-weights", type=Path, metavar="DIR", help="the same for it")
    add("--seed", type=whole("--seed", 0), default=0, help="of the noise of diffusion models (0)")
    add(
        "--samples",
        type=whole("--samples", 2),
        metavar="K",
        help="fuse K times; write the mean, and beside it the deviation (below)",
    )
    add(
        "--evaluations",
        type=whole("--evaluations", 1),
        metavar="N",
        help="draw by DDIM in N evaluations of the network; absent: as the weights of the package "
        "say, with other weights at all noise levels of the training; only if METHOD or ENLARGER "
        "draws by diffusion",
    )
    add("--device", default="cpu", help="cpu (default) or cuda")
    add(
        "--precision",
        default="float32",
        help="number format of networks: float32 (default), or bfloat16, which is less exact, and "
        "faster on a processor that multiplies it",
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, fuse, write."""
    if arguments.method is None:
        joint = arguments.scale is not None and arguments.enlarger is None
        arguments.method = shipped.JOINT if joint else shipped.FUSER
    paths = [*arguments.anatomical, arguments.functional]
    _check_out(arguments.out, paths)
    beside = [_beside(arguments.out, ending) for ending in ("png", "tif")]
    if arguments.samples is not None:
        for path in beside:
            _check_free(path, paths)
    backend = make_backend(arguments.device, arguments.precision)
    _check_modalities(arguments.modalities)
    fuser = make_fuser(
        arguments.method,
        arguments.set,
        arguments.scale,
        arguments.weights,
        arguments.evaluations,
        backend,
    )
    enlarger = _enlarger(arguments, fuser, backend)
    _check_evaluations(arguments.evaluations, fuser, enlarger)
    _check_precision(backend, fuser, enlarger)
    sources = read_registered(paths, "register the three and give them one size")
    sys.stderr.write(_slots(paths, arguments.modalities, fuser))
    sys.stderr.write(_taken(fuser, arguments.weights))
    sys.stderr.write(_taken(enlarger, arguments.enlarger_weights))
    draw = partial(_fuse, arguments, fuser, enlarger, sources)
    if arguments.samples is None:
        _write(arguments.out, to_8bit(draw(0)[0]))
        return
    found = moments(draw, arguments.samples)
    (deviation,) = found.pixel_deviation()
    _write(beside[1], 255 * deviation.numpy())
    _write(beside[0], picture(deviation))
    _write(arguments.out, to_8bit(found.mean[0]))


def _fuse(
    arguments: argparse.Namespace,
    fuser: Fuser,
    enlarger: Enlarger | None,
    sources: Tensor,
    sample: int,
) -> Tensor:
    """Fuse (3, 3, H, W) to (1, 3, H', W') with the seed of sample `sample`."""
    seed = arguments.seed + sample
    if enlarger is not None:
        noise = [generator(seed, "enlarge", index) for index in range(len(sources))]
        sources = _blame_images("--enlarger", lambda: enlarger.enlarge(sources, noise))
    modalities = (tuple(arguments.modalities),) if arguments.modalities else ()
    batch = Batch(("image",), sources[None], modalities=modalities)
    noise = [generator(seed, "fuse", arguments.method)]
    return _blame_images(arguments.method, lambda: fuser.fuse(batch, noise))


def _slots(paths: Sequence[Path], modalities: Sequence[str] | None, fuser: Fuser) -> str:
    """Lines that say which image is in which slot, and that the order is another, if it is."""
    images = [path.name for path in paths]
    if modalities:
        images = [f"{name} ({image})" for name, image in zip(modalities, images, strict=True)]
    line = "slots: anatomical 1 is {}, anatomical 2 {}, functional {}".format(*images)
    known = list(modalities[:2]) if modalities else [_modality(path) for path in paths[:2]]
    if isinstance(fuser, PairwiseFuser) and not fuser.settings.swapped:
        leads = first_is_visible(*modalities[:2]) if modalities else False
        line += f"; {images[not leads]} takes the place of the visible image"
    if all(known) and known[0] != known[1] and not in_order(*known):
        whose = "" if modalities else " by the names of the files"
        line += (
            f"\nnote: {known[0]} comes before {known[1]}{whose}; the order of the slots is "
            f"{', '.join(ANATOMICAL)}: exchange A and B to follow it"
        )
    return f"{line}\n"


def _taken(method: Fuser | Enlarger | None, given: Path | None) -> str:
    """A line that says which weights of the package a method computes by, if it does."""
    if method is None or not method.learned or given is not None:
        return ""
    name = shipped.title(method.name, method.scale)
    return f"weights: {name} of the package, for research use alone\n"


def _modality(path: Path) -> str:
    """The anatomical modality that a file is named after, or nothing."""
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    found = [name for name in ANATOMICAL if name.split("-")[-1].lower() in words]
    return found[0] if len(found) == 1 else ""


def _enlarger(arguments: argparse.Namespace, fuser: Fuser, backend: Backend) -> Enlarger | None:
    if fuser.scale is None and arguments.scale is not None:
        return make_enlarger(
            arguments.enlarger or "bicubic",
            arguments.scale,
            arguments.enlarger_weights,
            arguments.evaluations,
            backend,
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


def _blame_images(name: str, function: Callable[[], Tensor]) -> Tensor:
    # Methods raise a ValueError for images that they cannot process, for example too small for a
    # filter. Here these are the user's images, not an error in the program.
    try:
        return function()
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def _check_out(out: Path, inputs: list[Path]) -> None:
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: only PNG is written; end the name in .png")
    _check_free(out, inputs)


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.stem}-deviation.{ending}")


def _check_free(out: Path, inputs: list[Path]) -> None:
    if out.is_dir():
        raise InputError(f"{out}: is a folder; name a file")
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out}: is an input too; name another file with --out")


def _check_modalities(modalities: list[str] | None) -> None:
    if modalities is None:
        return
    for name, known in zip(modalities, (ANATOMICAL, ANATOMICAL, FUNCTIONAL), strict=True):
        if name not in known:
            raise InputError(f"--modalities: '{name}' is none of {', '.join(known)}")
    if modalities[0] == modalities[1]:
        raise InputError(f"--modalities: A and B are both {modalities[0]}; leave out --modalities")


def _check_evaluations(evaluations: int | None, *used: Fuser | Enlarger | None) -> None:
    methods = [method for method in used if method is not None]
    if evaluations is None or any(method.sampled for method in methods):
        return
    if any("evaluations" in type(method.settings).model_fields for method in methods):
        raise InputError(
            f"--evaluations: a setting of the method here; give --set evaluations={evaluations}"
        )
    raise InputError("--evaluations: nothing here is drawn by diffusion; leave it out")


def _check_precision(backend: Backend, *used: Fuser | Enlarger | None) -> None:
    networks = any(isinstance(method, LearnedMethod) for method in used)
    if backend.precision != "float32" and not networks:
        raise InputError("--precision: nothing here computes by a network; leave it out")


def _write(out: Path, pixels: np.ndarray) -> None:
    """Write uint8 as PNG, floating point as 32-bit TIFF, which ImageJ, ITK and MATLAB read."""
    try:
        if pixels.dtype == np.uint8:
            write_png(out, pixels)
            return
        with replacing(out) as temporary:
            Image.fromarray(pixels.astype(np.float32)).save(temporary, "TIFF")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
