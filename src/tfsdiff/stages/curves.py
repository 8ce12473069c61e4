"""Draw the curves of all trainings: loss and validation PSNR by step, and losses of the fusers.

Reads: DVCLive's tables of the methods that the parameters name. Writes: two PNGs.
"""

from pathlib import Path

from tfsdiff.evaluation.training_curves import read_curve
from tfsdiff.params import Named, Section
from tfsdiff.report.figures.training_curves import (
    LOSSES,
    PANELS,
    draw_losses,
    draw_training_curves,
)
from tfsdiff.report.labels import method_label
from tfsdiff.stages.support import cli


class Params(Section):
    """The parameters that this stage may read."""

    ablated: dict[str, Named]
    ablation_scales: tuple[int, ...]
    ablations: tuple[str, ...]
    guided: tuple[str, ...]
    imported: tuple[str, ...]
    learned_fusers: tuple[str, ...]
    networks: tuple[str, ...]
    scales: tuple[int, ...]


def curves(params: Params, *, live: Path, out: Path, fusers: Path) -> None:
    """Draw the trainings whose tables lie in `live` to `out`, those of fusers to `fusers`."""
    labels = {name: ablation.label for name, ablation in params.ablated.items()}
    lines = {}
    for scale in params.scales:
        ablations = params.ablations if scale in params.ablation_scales else ()
        for panel in PANELS:
            lines[panel, scale] = {
                method_label(name, labels): read_curve(live / f"{name}-x{scale}", panel)
                for name in (*params.networks, *params.guided, *ablations)
            }
    draw_training_curves(params.scales, lines, out)
    losses = {
        method_label(name): {table: read_curve(live / name, table) for table in LOSSES}
        for name in params.learned_fusers
        if name not in params.imported  # imported weights have no curve
    }
    draw_losses(losses, fusers)


if __name__ == "__main__":
    cli.run(curves)
