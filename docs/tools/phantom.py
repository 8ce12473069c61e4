"""Draw one slice of a virtual patient in all modalities: `python docs/tools/phantom.py`.

It writes docs/figures/phantom.png: the patient of the demo with the first tumour, at 256 pixels.
"""

from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from tfsdiff.acquisition.phantom import ANATOMICAL, FUNCTIONAL, render
from tfsdiff.acquisition.phantom.patient import draw_patient

FIGURE = Path(__file__).resolve().parents[2] / "docs/figures/phantom.png"
SEED, PATIENT, LESION_SHARE, SLICE = 2024, 2, 0.5, 91  # as in the profile demo
COLUMNS, PIXELS, CROP, BAND = 4, 256, 20, 26  # of the sheet; CROP: black border left out


def draw() -> Image.Image:
    """The sheet: a row of four modalities above another."""
    names = (*ANATOMICAL, *FUNCTIONAL)
    patient = draw_patient(SEED, PATIENT, LESION_SHARE)
    side, rows = PIXELS - 2 * CROP, -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * side, rows * (side + BAND)))
    write = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 15)
    for place, (name, image) in enumerate(
        zip(names, render(patient, SLICE, names, PIXELS), strict=True)
    ):
        down, right = divmod(place, COLUMNS)
        x, y = right * side, down * (side + BAND)
        write.text((x + side / 2, y + BAND / 2), name, "#ffffff", font, anchor="mm")
        shown = image[CROP:-CROP, CROP:-CROP]
        shown = np.stack([shown] * 3, -1) if shown.ndim == 2 else shown
        sheet.paste(Image.fromarray(np.ascontiguousarray(shown)), (x, y + BAND))
    return sheet


if __name__ == "__main__":
    draw().save(FIGURE, optimize=True)
