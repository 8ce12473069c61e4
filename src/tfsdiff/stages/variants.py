"""Fuse some test groups by variants of each fuser: other slots, another order, as released.

The weights stay as they were learned; only settings change that matter at fusing. Reads: the split,
high-resolution sources, ground truth, the fitted fusers. Writes: a table (Markdown and CSV).
"""

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tfsdiff.common.files import write_text
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.evaluation.rows import FULL_RESOLUTION
from tfsdiff.evaluation.scores import summarise, tabulate
from tfsdiff.metrics import lpips
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.score import score
from tfsdiff.params import Compute, Metrics, Section, Variant
from tfsdiff.report.render import to_markdown
from tfsdiff.report.variants_table import Line, document, to_numbers
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread
from tfsdiff.stages.support.settings import ready

AS_SET = "as set"  # name of the variant that changes nothing


class Params(Section):
    """The parameters that this stage may read."""

    compute: Compute
    fusers: tuple[str, ...]
    methods: dict[str, dict[str, Any]]
    metrics: Metrics
    profile: str
    seed: int
    variant_groups: int
    variants: dict[str, Variant]


def variants(
    params: Params, *, split: Path, sources: Path, truth: Path, models: Path, out: Path
) -> None:
    """Write `out`.md and `out`.csv: every variant of the fusers that the profile has."""
    groups = spread(select(sources, split, "test"), params.variant_groups)
    batch = load_batch(sources, groups, truth)
    network = lpips.load(params.metrics.lpips_backbone)
    lines = []
    for fuser in progress([name for name in params.fusers if _changes(params, name)], "variants"):
        first = None
        for name, change in ({AS_SET: {}} | _changes(params, fuser)).items():
            images = _fused(params, fuser, change, models / fuser, batch)
            agreement = None if first is None else psnr(first, images).mean().item()
            first = images if first is None else first
            scores = score(images, levels(batch.sources), levels(batch.truth), network)
            summary = summarise(tabulate(fuser, FULL_RESOLUTION, batch.groups, *scores))
            lines.append(Line(fuser, name, _text(change), agreement, summary))
    caption = (
        f"Variants of the fusers, with the same weights. Profile {params.profile}; {len(groups)} "
        "test groups at full resolution; scores against the ground truth, which is BitonicX."
    )
    write_text(out.with_name(f"{out.name}.md"), to_markdown(document(lines, caption)))
    write_text(out.with_name(f"{out.name}.csv"), to_numbers(lines))


def _changes(params: Params, fuser: str) -> dict[str, dict[str, Any]]:
    """Settings that the variants of a fuser change, by the variants' names for readers."""
    own = [variant for variant in params.variants.values() if variant.method == fuser]
    return {variant.label: variant.changes for variant in own}


def _fused(params: Params, fuser: str, change: dict[str, Any], model: Path, batch: Batch) -> Tensor:
    """Levels 0..255 of the fused images (N, 3, H, W), by the noise of the stage `fuse`."""
    settings = params.methods[fuser]
    method = ready(fuser, settings, model, backend.make(params.compute), change=change)
    images = []
    for i, name in enumerate(batch.groups):
        one = Batch((name,), batch.sources[i : i + 1], modalities=batch.modalities[i : i + 1])
        noise = seeding.generator(params.seed, "fuse", fuser, name)
        images.append(levels(method.fuse(one, [noise])))
    return torch.cat(images)


def _text(change: dict[str, Any]) -> str:
    return yaml.safe_dump(change, default_flow_style=True, width=1000).strip().strip("{}")


if __name__ == "__main__":
    cli.run(variants)
