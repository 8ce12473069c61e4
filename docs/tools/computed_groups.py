"""Draw computed groups of each kind with their truth: `python docs/tools/computed_groups.py`.

It writes docs/figures/computed-groups.png, of one slice of each phantom of the profile showcase. Of
data of yours, after a run: `python docs/tools/computed_groups.py --synthetic data/synthetic --truth
data/synthetic-truth --out FILE.png`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from tfsdiff.compose import compose
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import Group, image_path, read_manifest
from tfsdiff.stages import acquire, pairs, prepare, split, synthesise

ROOT = Path(__file__).resolve().parents[2]
FIGURE = ROOT / "docs/figures/computed-groups.png"
PROFILE = (
    "profile=showcase",
    "data.slices_per_patient=1",
    "synthetic.published=0.5",
    "synthetic.count=13",
)
SIDE, BAND = 190, 24  # of an image, and of the line of text above it
ROWS = ("borrow", "remap", "agent PET-FDG", "agent SPECT-Tl", "real")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--synthetic", type=Path, help="image folder of computed groups")
    parser.add_argument("--truth", type=Path, help="folder of their truth")
    parser.add_argument("--out", type=Path, default=FIGURE, help="PNG file to write")
    arguments = parser.parse_args()
    if arguments.synthetic:
        draw(arguments.synthetic, arguments.truth).save(arguments.out, optimize=True)
        return
    with tempfile.TemporaryDirectory() as name:
        draw(*phantoms(Path(name))).save(arguments.out, optimize=True)


def phantoms(at: Path) -> tuple[Path, Path]:
    """Make computed groups of phantoms in `at`, as the pipeline does; give groups and truth."""
    values = compose(list(PROFILE), ROOT / "workflow/conf")

    def of(stage):
        return stage.Params(**{key: values[key] for key in stage.Params.model_fields})

    raw, chosen, high, beside = at / "raw", at / "split.csv", at / "hr", at / "pairs"
    acquire.acquire(of(acquire), input=ROOT / values["data"]["input"], out=raw)
    split.split(of(split), rule="patient", raw=raw, out=chosen)
    prepare.prepare(of(prepare), raw=raw, out=high)
    none = ROOT / values["pairs"]["input"]
    pairs.pairs(of(pairs), input=none, raw=raw, split=chosen, out=beside)
    made = at / "synthetic", at / "synthetic-truth"
    synthesise.synthesise(
        of(synthesise), sources=high, pairs=beside, split=chosen, checkpoints=at / "checkpoints",
        out=made[0], truth=made[1],
    )  # fmt: skip
    return made


def draw(folder: Path, truth: Path) -> Image.Image:
    """The sheet: a row for the first computed group of each of ROWS, its truth on the right."""
    first: dict[str, Group] = {}
    for group in read_manifest(folder):
        first.setdefault(row_of(group), group)
    shown = [first[row] for row in ROWS if row in first]
    sheet = Image.new("RGB", (4 * SIDE, len(shown) * (SIDE + BAND)))
    write = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 13)
    for number, group in enumerate(shown):
        images = [read(image_path(folder, group, name)) for name in group.modalities]
        images.append(read(truth / f"{group.group}.png"))
        texts = [*group.modalities, f"truth ({group.source.split()[0]})"]
        y = number * (SIDE + BAND)
        for column, (text, image) in enumerate(zip(texts, images, strict=True)):
            middle = (column * SIDE + SIDE / 2, y + BAND / 2)
            write.text(middle, text, "#ffffff", font, anchor="mm")
            sheet.paste(reduced(image), (column * SIDE, y + BAND))
    return sheet


def row_of(group: Group) -> str:
    """Which of ROWS a computed group belongs to."""
    kind = group.source.split()[0]
    return f"{kind} {group.functional}" if kind == "agent" else kind


def reduced(image: Pixels) -> Image.Image:
    """An image in RGB, SIDE pixels wide."""
    colour = np.stack([image] * 3, -1) if image.ndim == 2 else image
    return Image.fromarray(colour).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
