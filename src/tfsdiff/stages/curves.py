"""Draw the curves of all trainings: loss and validation PSNR by step, and losses of the fusers.

Reads: DVCLive's tables of the networks and fusers that the parameters name. Writes: two PNGs.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from tfsdiff import methods
from tfsdiff.params import Section
from tfsdiff.report.curves import LOSSES, PANELS, draw_curves, draw_losses, read_curve
from tfsdiff.stages.support import cli


class Params(Section):
    """What this stage may see."""

    ablation_scales: tuple[int, ...]
    ablations: tuple[str, ...]
    fusers: tuple[str, ...]
    networks: tuple[str, ...]
    scales: tuple[int, ...]
    methods: dict[str, dict[str, Any]]


def curves(params: Params, *, live: Path, out: Path, fusers: Path) -> None:
    """Draw the trainings whose tables lie in `live` to `out`, those of fusers to `fusers`."""
    lines: dict[tuple[str, int], dict[str, pd.Series]] = {}
    for scale in params.scales:
        folders = {name: live / f"{name}-x{scale}" for name in params.networks}
        if scale in params.ablation_scales:
            ablations = live / "ablations"
            folders |= {name: ablations / f"{name}-x{scale}" for name in params.ablations}
        for panel in PANELS:
            found = {name: read_curve(folder, panel) for name, folder in folders.items()}
            lines[panel, scale] = {k: v for k, v in found.items() if v is not None}
    draw_curves(params.scales, lines, out)
    losses = {
        name: {table: read_curve(live / "fusers" / name, table) for table in LOSSES}
        for name in params.fusers
        if methods.weights_of(params.methods[name]) is None
    }
    learned = {
        name: lines
        for name, lines in losses.items()
        if all(values is not None for values in lines.values())
    }
    draw_losses(learned, fusers)


if __name__ == "__main__":
    cli.run(curves)
