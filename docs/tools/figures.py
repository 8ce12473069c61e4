"""Draw the figures of the documentation to docs/figures.

    python docs/tools/figures.py                   # charts of docs/results, and the pipeline
    python docs/tools/figures.py --showcase RUN    # also pictures, of a run of the profile showcase

Charts come in a light and a dark version (SVG, transparent). They hold what the figures of the
pipeline hold, in a column that a phone shows without enlargement. The pipeline is drawn from
dvc.yaml (graph.py).
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from PIL import Image, ImageDraw, ImageFont

import graph
import results
from tfsdiff.data.dataset import select
from tfsdiff.data.images import read
from tfsdiff.data.slices import Group, image_path
from tfsdiff.report.figures.canvas import STYLE
from tfsdiff.report.figures.sampler_quality import SAMPLERS, UNITS
from tfsdiff.report.figures.training_curves import LOSSES, PANELS
from tfsdiff.report.labels import method_label
from tfsdiff.report.leakage_table import LABELS

FIGURES = results.FIGURES
TABLES = "harvard"  # run of all methods
SAMPLING = "harvard-tfsdiff"  # run whose curves and quality against evaluations are kept
WIDTH = 5.0  # inches; 480 CSS pixels
FONT = 9  # points
Lines = dict[tuple[str, str, str], pd.Series]  # values by step of (training, scale, curve)


@dataclass(frozen=True)
class Theme:
    """Colours of a chart on a ground that the page has.

    Attributes:
        name: in file names.
        ink: of text and axes.
        faint: of the grid.
        reference: of lines to compare with.
        cycle: of the data; distinguishable by the colour-blind.
    """

    name: str
    ink: str
    faint: str
    reference: str
    cycle: tuple[str, ...]


THEMES = (
    Theme("light", "#1f2328", "#e3e6ea", "#6e7781",
          ("#0072b2", "#d55e00", "#009e73", "#b0568c", "#7a6a00", "#444cc6", "#8c4a2f", "#4d4d4d")),
    Theme("dark", "#e6e8eb", "#3d434c", "#9aa3ad",
          ("#56b4e9", "#ff9a4d", "#3fcf9f", "#e58cc0", "#e6d04a", "#a5abff", "#d99a7c", "#c8c8c8")),
)  # fmt: skip


@contextlib.contextmanager
def chart(name: str, theme: Theme, height: float) -> Iterator[Figure]:
    """A figure `height` inches high, saved to NAME-THEME.svg: the same bytes every time."""
    own = {
        "axes.edgecolor": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.labelsize": FONT,
        "axes.prop_cycle": matplotlib.cycler(color=theme.cycle),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": FONT,
        "axes.titlelocation": "left",
        "figure.facecolor": "none",
        "grid.color": theme.faint,
        "legend.fontsize": FONT - 0.5,
        "lines.linewidth": 1.5,
        "lines.markersize": 4,
        "savefig.facecolor": "none",
        "svg.hashsalt": name,
        "text.color": theme.ink,
        "xtick.color": theme.ink,
        "xtick.labelsize": FONT - 0.5,
        "ytick.color": theme.ink,
        "ytick.labelsize": FONT - 0.5,
    }
    with matplotlib.style.context(["default", STYLE, own, {"axes.facecolor": "none"}]):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure
        path = FIGURES / f"{name}-{theme.name}.svg"
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def quality(theme: Theme) -> None:
    """PSNR, SSIM and LPIPS against evaluations, a line a sampler, of every method that has them."""
    for path in sorted((results.RESULTS / SAMPLING).glob("quality-*.csv")):
        points = pd.read_csv(path).query("against == 'truth'")
        full = points.loc[points["evaluations"].idxmax()]
        with chart(path.stem, theme, 6.0) as figure:
            panels = figure.subplots(3, 1, sharex=True)
            for axes, metric in zip(panels, UNITS, strict=True):
                _quality_panel(axes, points, full, metric, theme)
            panels[-1].set_xlabel("evaluations of the network")
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=2)


def _quality_panel(
    axes: Axes, points: pd.DataFrame, full: pd.Series, metric: str, theme: Theme
) -> None:
    for (sampler, (label, _, marker)), colour in zip(SAMPLERS.items(), theme.cycle, strict=False):
        own = points[(points["sampler"] == sampler) & (points["evaluations"] < full["evaluations"])]
        axes.plot(own["evaluations"], own[metric], color=colour, marker=marker, label=label)
    name = f"full chain, {full['evaluations']} evaluations"
    axes.axhline(full[metric], color=theme.reference, lw=1, ls="--", zorder=1, label=name)
    ticks = sorted(points["evaluations"].unique())[:-1]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(UNITS[metric])
    axes.grid()


def curves(theme: Theme) -> None:
    """Losses and validation scores of all trainings, a chart a kind."""
    path = results.RESULTS / SAMPLING / "curves.csv"
    table = pd.read_csv(path, dtype={"scale": str}, keep_default_na=False)
    lines = {key: own.set_index("step")["value"]
             for key, own in table.groupby(["training", "scale", "curve"])}  # fmt: skip
    params = yaml.safe_load((path.parent / "params.yaml").read_text(encoding="utf-8"))
    _networks(theme, lines, params)
    if params["ablations"]:
        _ablations(theme, lines, params)
    if params["learned_fusers"]:
        _fusers(theme, lines, params)


def _networks(theme: Theme, lines: Lines, params: dict[str, Any]) -> None:
    with chart("curves", theme, 5.2) as figure:
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (curve, (label, logarithmic)) in zip(panels, PANELS.items(), strict=True):
            for network, style in zip(params["networks"], ("--", "-", ":"), strict=False):
                for scale, colour in zip(params["scales"], theme.cycle, strict=False):
                    name = f"{method_label(network)} ×{scale}"
                    lines[network, str(scale), curve].plot(
                        ax=axes, color=colour, ls=style, label=name
                    )
            axes.set(ylabel=label, xlabel="step", yscale="log" if logarithmic else "linear")
            axes.grid()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)


def _ablations(theme: Theme, lines: Lines, params: dict[str, Any]) -> None:
    names = {"tfsdiff": method_label("tfsdiff")}
    names |= {name: params["ablated"][name]["label"] for name in params["ablations"]}
    for scale in params["ablation_scales"]:
        with chart(f"curves-ablations-x{scale}", theme, 4.4) as figure:
            axes = figure.subplots()
            for (name, label), colour in zip(names.items(), theme.cycle, strict=False):
                values = lines[name, str(scale), "validation/psnr"]
                values.plot(
                    ax=axes, color=colour, lw=2.6 if name == "tfsdiff" else 1.3, label=label
                )
            axes.set(xlabel="step", ylabel="validation PSNR [dB]")
            axes.grid()
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=2)


def _fusers(theme: Theme, lines: Lines, params: dict[str, Any]) -> None:
    fusers = [name for name in params["learned_fusers"] if name not in params["imported"]]
    with chart("curves-fusers", theme, 4.2) as figure:
        panels = figure.subplots((len(fusers) + 1) // 2, 2, squeeze=False).flat
        for axes, fuser in zip(panels, fusers, strict=False):
            for curve, label in LOSSES.items():
                lines[fuser, "", curve].plot(ax=axes, label=label)
            axes.set(title=method_label(fuser), xlabel="step")
            axes.grid()
            handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)
        figure.supylabel("loss", fontsize=FONT)


def leakage(theme: Theme) -> None:
    """Share of test groups above each similarity to their nearest in training, by both splits."""
    lines = pd.read_csv(results.RESULTS / TABLES / "leakage.csv").query("part == 'test'")
    colours = (theme.cycle[1], theme.cycle[0])
    with chart("leakage", theme, 3.1) as figure:
        axes = figure.subplots()
        for (rule, own), colour in zip(lines.groupby("rule", sort=False), colours, strict=False):
            found = np.sort(own["similarity"].dropna())
            shares = 1 - np.arange(1, len(found) + 1) / len(found)
            axes.plot([0, *found, 1], [1, *shares, 0], drawstyle="steps-post", color=colour,
                      label=f"split {LABELS[rule]}")  # fmt: skip
        start = np.floor(20 * lines["similarity"].min() - 0.5) / 20
        axes.set(xlim=(start, 1), ylim=(0, 1.02))
        axes.set_xlabel("similarity to the nearest group in training")
        axes.set_ylabel("share of test groups above it")
        axes.grid()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


# Pictures of the showcase

GROUND, INK, QUIET, ACCENT = "#000000", "#ffffff", "#a9b1ba", "#ffb000"
CROP = 216  # pixels of 256 that hold the head
SOURCE, FUSED, GAP, ARROW, PAD, HEAD = 276, 400, 8, 88, 18, 62  # pixels
SANS = "DejaVuSans.ttf"  # as in the charts; Matplotlib has the file


def hero(run: Path, group: Group, scale: int) -> None:
    """Three sources at low resolution, an arrow, and what TFS-Diff makes of them."""
    low, high = run / f"data/lr/x{scale}", run / f"results/fused/tfsdiff/x{scale}"
    width = 2 * PAD + 3 * SOURCE + 2 * GAP + ARROW + FUSED
    sheet = Image.new("RGB", (width, 2 * PAD + HEAD + FUSED), GROUND)
    draw = ImageDraw.Draw(sheet)
    middle, left = PAD + HEAD + FUSED // 2, PAD
    for modality in group.modalities:
        image = read(image_path(low, group, modality))
        top = middle - SOURCE // 2
        sheet.paste(_picture(image, CROP // scale, SOURCE, Image.Resampling.NEAREST), (left, top))
        _write(draw, left + SOURCE // 2, top - 18, modality, 40, INK)
        left += SOURCE + GAP
    left += ARROW - GAP
    shaft = left - ARROW + 18, left - 20
    draw.line((shaft[0], middle, shaft[1] - 12, middle), fill=ACCENT, width=7)
    head = ((shaft[1], middle), (shaft[1] - 26, middle - 20), (shaft[1] - 26, middle + 20))
    draw.polygon(head, fill=ACCENT)
    image = read(high / f"{group.group}.png")
    sheet.paste(_picture(image, CROP, FUSED, Image.Resampling.LANCZOS), (left, middle - FUSED // 2))
    _write(draw, left + FUSED // 2, PAD + HEAD - 18, f"fused at ×{scale}", 40, INK)
    _save(sheet, FIGURES / "hero.png")


def _picture(image: np.ndarray, crop: int, side: int, filtered: Image.Resampling) -> Image.Image:
    start = (len(image) - crop) // 2
    part = image[start : start + crop, start : start + crop]
    return Image.fromarray(part).convert("RGB").resize((side, side), filtered)


def _write(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int, colour: str) -> None:
    path = Path(matplotlib.get_data_path(), "fonts/ttf", SANS)
    draw.text((x, y), text, fill=colour, font=ImageFont.truetype(path, size), anchor="ms")


def _save(image: Image.Image, path: Path) -> None:
    """Save with 256 colours, which pictures of a grey and a coloured scale do not need more of."""
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def pictures(run: Path, name: str | None, scale: int) -> None:
    """Draw the pictures of a run of the showcase: of the group `name`, or of the first one."""
    groups = select(run / "data/hr", run / "data/splits/patient.csv", "test")
    (group,) = [one for one in groups if one.group == name] or groups[:1]
    hero(run, group, scale)
    _save(Image.open(run / f"results/report/figure2-x{scale}.png"), FIGURES / "figure2.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--showcase", type=Path, help="folder of a run of the profile showcase")
    parser.add_argument("--group", help="test group that the first figure shows")
    options = parser.parse_args(arguments)
    FIGURES.mkdir(exist_ok=True)
    for theme in THEMES:
        quality(theme)
        curves(theme)
        leakage(theme)
    (FIGURES / "pipeline.svg").write_text(graph.draw(results.ROOT), encoding="utf-8")
    if options.showcase:
        pictures(options.showcase, options.group, 4)
    return 0


if __name__ == "__main__":
    sys.exit(main())
