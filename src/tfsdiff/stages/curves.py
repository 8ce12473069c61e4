"""Draw the curves of all trainings: loss and validation PSNR against the step.

Reads: DVCLive's tables of the networks that the parameters name. Writes: a PNG.
"""

from pathlib import Path

import pandas as pd

from tfsdiff.params import Section
from tfsdiff.report.curves import PANELS, draw_curves, read_curve
from tfsdiff.stages import _cli


class Params(Section):
    """What this stage may see."""

    ablation_scales: tuple[int, ...]
    ablations: tuple[str, ...]
    networks: tuple[str, ...]
    scales: tuple[int, ...]


def curves(params: Params, *, live: Path, out: Path) -> None:
    """Draw the trainings whose tables lie in `live` to `out`."""
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


if __name__ == "__main__":
    _cli.run(curves)
