"""`tfsdiff import-weights`: a released checkpoint in, a folder for `tfsdiff fuse` out."""

import argparse
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tfsdiff import methods
from tfsdiff.cli.images import whole
from tfsdiff.cli.options import find, imports, names, resizes
from tfsdiff.common.errors import InputError
from tfsdiff.methods.base import Imported, Method

SUMMARY = "Take over a checkpoint in the layout of a method's released code."


def epilog() -> str:
    """Text that --help prints below the options."""
    return (
        f"METHOD is one of {', '.join(names(imports))}. Use DIR by `tfsdiff fuse --method METHOD "
        "--weights DIR` or, where METHOD enlarges, in front of another method by `tfsdiff fuse "
        "--enlarger METHOD --enlarger-weights DIR`. Strict: all keys, shapes and, of a diffusion, "
        "the noise schedule must be the released ones; code inside a checkpoint is never run."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("method", metavar="METHOD", help="of which the checkpoint is; listed below")
    add(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="the file; of TFS-Diff and SR3 the one that ends in _gen.pth",
    )
    add("--out", required=True, type=Path, metavar="DIR", help="new folder")
    add(
        "--scale",
        type=whole("--scale", 2),
        metavar="N",
        help="factor of enlargement, which a checkpoint does not tell; absent: `fuse --scale` "
        "says; only for a method that enlarges",
    )
    add(
        "--groups",
        type=whole("--groups", 1),
        metavar="N",
        help="of the group normalisation, if any, which a checkpoint does not tell "
        "either; absent: as released, 32 (SR3 with one block a level, as from 64 to 512 pixels: "
        "16)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, check, write, and print a summary."""
    method, out = arguments.method, arguments.out
    kind = find("method", method, imports)
    if arguments.scale is not None and not resizes(kind):
        raise InputError(f"--scale: {method} does not enlarge; leave out --scale")
    if out.exists():
        raise InputError(f"{out}: exists; name a new folder with --out")
    found = kind.import_released(arguments.checkpoint, arguments.groups)
    # Only the method knows its network: groups that matter are stored with the weights.
    if arguments.groups is not None and not _names("groups", found.settings | found.values):
        raise InputError(f"--groups: {method} has no groups to choose; leave out --groups")
    _write(out, method, methods.build(method, found.settings, arguments.scale), found)
    sys.stdout.write(f"{found.summary}\n")


def _names(key: str, values: dict[str, Any]) -> bool:
    """Whether `key` is one of `values`, or of a section of them."""
    return key in values or any(_names(key, v) for v in values.values() if isinstance(v, dict))


def _write(out: Path, name: str, method: Method, found: Imported) -> None:
    try:
        methods.write_method(out, name, method, found.tensors, found.values)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{out}: cannot be written ({reason})") from None
