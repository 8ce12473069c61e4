"""Fuse some test groups by variants of each fuser: other slots, another order, official quirks.

The weights stay as they were learned; only settings change that matter at fusing. Reads: the split,
high-resolution sources, ground truth, the fitted fusers. Writes: a table (Markdown and CSV).
"""

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core import backend, seeding
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.dataset import load_batch, select
from tfsdiff.evaluation.scores import summarise
from tfsdiff.metrics import lpips
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.registry import score
from tfsdiff.params import Compute, Metrics, Section
from tfsdiff.params import Variant as Change
from tfsdiff.report.variants import DEFAULT, Variant, bare, markdown
from tfsdiff.stages.support import cli
from tfsdiff.stages.support.choose import spread
from tfsdiff.stages.support.settings import ready


class Params(Section):
    """What this stage may see."""

    compute: Compute
    fusers: tuple[str, ...]
    methods: dict[str, dict[str, Any]]
    metrics: Metrics
    profile: str
    seed: int
    variant_groups: int
    variants: dict[str, Change]


def variants(
    params: Params, *, split: Path, sources: Path, truth: Path, models: Path, out: Path
) -> None:
    """Write `out`.md and `out`.csv: every variant of the fusers that the profile has."""
    groups = spread(select(sources, split, "test"), params.variant_groups)
    batch = load_batch(sources, groups, truth)
    network = lpips.load(params.metrics.lpips_backbone)
    cells = [
        (fuser, name, change)
        for fuser in params.fusers
        for name, change in ({DEFAULT: {}} | _changes(params, fuser)).items()
        if _changes(params, fuser)
    ]
    found, first = [], {}
    for fuser, name, change in progress(cells, "variants"):
        images = _fused(params, fuser, change, models / fuser, batch)
        agreement = None
        if change:
            agreement = psnr(first[fuser], images).mean().item()
        else:
            first[fuser] = images
        scores = score(images, levels(batch.sources), levels(batch.truth), network)
        summary = summarise(fuser, 1, batch.groups, scores)
        found.append(Variant(fuser, name, _text(change), agreement, summary))
    caption = (
        f"Variants of the fusers, with the same weights. Profile {params.profile}; {len(groups)} "
        "test groups at full resolution; scores against the ground truth, which is BitonicX."
    )
    for ending, text in (("md", markdown(found, caption)), ("csv", bare(found))):
        with replacing(out.with_name(f"{out.name}.{ending}")) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _changes(params: Params, fuser: str) -> dict[str, dict[str, Any]]:
    found = params.variants.values()
    return {variant.label: variant.changes for variant in found if variant.method == fuser}


def _fused(params: Params, fuser: str, change: dict[str, Any], model: Path, batch: Batch) -> Tensor:
    """Levels 0..255 of the fused images (N, 3, H, W), by the noise of the stage `fuse`."""
    settings = params.methods[fuser]
    member = ready(fuser, settings, model, backend.make(params.compute), change=change)
    images = []
    for i, name in enumerate(batch.groups):
        one = Batch((name,), batch.sources[i : i + 1], modalities=batch.modalities[i : i + 1])
        noise = seeding.generator(params.seed, "fuse", fuser, name)
        images.append(levels(member.fuse(one, [noise])))
    return torch.cat(images)


def _text(change: dict[str, Any]) -> str:
    return yaml.safe_dump(change, default_flow_style=True, width=1000).strip().strip("{}")


if __name__ == "__main__":
    cli.run(variants)
