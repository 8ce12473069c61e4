"""`tfsdiff score`: all metrics of a fused image."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tfsdiff.cli.images import read_registered
from tfsdiff.common.errors import InputError
from tfsdiff.data.images import to_8bit
from tfsdiff.metrics import lpips
from tfsdiff.metrics.registry import METRICS
from tfsdiff.metrics.score import Scores
from tfsdiff.metrics.score import score as compute
from tfsdiff.pretrained import TORCHVISION

if TYPE_CHECKING:
    from tfsdiff.metrics.reference import Checks, Compared

SUMMARY = "Score a fused image against its three sources and, if there is one, its ground truth."


def epilog() -> str:
    """Text that --help prints below the options."""
    conventions = "; ".join(f"{name}: {metric.convention}" for name, metric in METRICS.items())
    return (
        "All images are scored as 8-bit RGB of one size. Against the sources a score is the mean "
        f"over the three. Conventions: {conventions}."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("fused", type=Path, metavar="FUSED", help="the image to score")
    add("--sources", required=True, nargs=3, type=Path, metavar=("A", "B", "F"), help="its sources")
    add("--truth", type=Path, metavar="T", help="its ground truth")
    add("--json", action="store_true", help='print JSON; an infinite value is the text "inf"')
    add(
        "--lpips-backbone",
        default=TORCHVISION,
        metavar="FILE",
        help="AlexNet features as safetensors (default: what torchvision downloads)",
    )
    add(
        "--check",
        action="store_true",
        help="compute MSE, PSNR and SSIM by scikit-image and LPIPS by the package lpips as well; "
        "print how far they are from ours, and fail where that is more than rounding",
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, score, print; with `--check` compare with other implementations."""
    paths = [arguments.fused, *arguments.sources]
    if arguments.truth is not None:
        paths.append(arguments.truth)
    images = read_registered(paths, "score images of one size")
    network = lpips.load(arguments.lpips_backbone)
    fused, sources, *truth = _levels(images).split((1, 3, *[1] * (len(paths) - 4)))
    scores = compute(fused, sources[None], truth[0] if truth else None, network)
    columns = ("sources", "truth") if truth else ("sources",)
    checks = None
    if arguments.check:
        from tfsdiff.metrics import reference

        references = torch.cat([sources, *truth])
        checks = reference.check(scores, fused[0], references, network)
    text = (_json if arguments.json else _table)(scores, columns, checks)
    sys.stdout.write(f"{text}\n")
    if checks is not None and checks.deviating:
        raise InputError(f"--check: {'; '.join(checks.deviating)}")


def _levels(images: Tensor) -> Tensor:
    # (N, 3, H, W) in [0, 1] to 0..255, whole numbers
    pixels = [torch.from_numpy(to_8bit(image)).movedim(-1, 0) for image in images]
    return torch.stack(pixels).double()


def _table(scores: Scores, columns: Sequence[str], checks: "Checks | None") -> str:
    lines = [_line("metric", [f"to {column}" for column in columns], "better")]
    for name, metric in METRICS.items():
        values = [scores.images[0][name][column] for column in columns]
        cells = ["-" if value is None else f"{value:.4f}" for value in values]
        lines.append(_line(name, cells, metric.better))
    lines += [f"{name} is empty: {why}" for name, why in scores.empty.items()]
    return "\n".join(lines + (_check_lines(checks) if checks else []))


def _line(name: str, cells: Sequence[str], better: str) -> str:
    return f"{name:6}{''.join(f'{cell:>12}' for cell in cells)}  {better}"


def _check_lines(checks: "Checks") -> list[str]:
    lines = ["", "check   to              ours        theirs  deviation  theirs by"]
    lines += [
        f"{one.metric:8}{one.against:8}{one.ours:12.6f}{one.theirs:14.6f}{one.deviation:11.1e}"
        f"  {one.by}"
        for one in checks.compared
    ]
    return lines + [f"{name} is not checked: {why}" for name, why in checks.not_checked]


def _json(scores: Scores, columns: Sequence[str], checks: "Checks | None") -> str:
    found: dict[str, Any] = {}
    for name, metric in METRICS.items():
        values = {column: _finite(scores.images[0][name][column]) for column in columns}
        found[name] = {**values, "better": metric.better, "convention": metric.convention}
    content: dict[str, Any] = {"metrics": found, "empty": scores.empty}
    if checks is not None:
        content["check"] = {
            "compared": [_compared(one) for one in checks.compared],
            "not_checked": dict(checks.not_checked),
        }
    return json.dumps(content, indent=2, allow_nan=False)


def _compared(one: "Compared") -> dict[str, Any]:
    numbers = {"ours": one.ours, "theirs": one.theirs, "deviation": one.deviation}
    finite = {key: _finite(value) for key, value in numbers.items()}
    return {"metric": one.metric, "to": one.against, **finite, "by": one.by}


def _finite(value: float | None) -> float | str | None:
    return str(value) if value is not None and not math.isfinite(value) else value
