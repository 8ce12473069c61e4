"""How sharp the truth of turned and warped groups is: python benchmarks/synthesis.py.

    python benchmarks/synthesis.py --input DIR [--groups 12]

Takes groups of an image folder, evenly from its manifest, turns and warps each as the stage
`synthesise` does with the parameters of the profile harvard, and fuses them by BitonicX. Prints,
for the first anatomical image and for the luminance of the truth, the energy of the gradient and
the power above half of the Nyquist frequency, each as a share of what the group has as it is: mean
and range over the groups. Then the CPU seconds to make a computed group, and to fuse one.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from bitonicx import fuse

from tfsdiff.common.sequences import evenly
from tfsdiff.compose import compose
from tfsdiff.core.seeding import rng
from tfsdiff.data.colour import grey
from tfsdiff.data.slices import Group, read_manifest
from tfsdiff.data.synthesis import geometry
from tfsdiff.data.synthesis.recipes import Recipes
from tfsdiff.data.synthesis.studies import Study, of_groups
from tfsdiff.params import Synthetic

CONF = Path(__file__).parents[1] / "workflow/conf"
SEED = 2024
Images = list[np.ndarray]


def main() -> None:
    """Print a line for each change and image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, required=True, help="image folder, e.g. a data/hr")
    parser.add_argument("--groups", type=int, default=12, help="how many, at most")
    arguments = parser.parse_args()
    given = ["profile=harvard", f"data.input={arguments.input}", "pairs=none"]
    settings = Synthetic(**compose(given, CONF)["synthetic"])
    groups = evenly(read_manifest(arguments.input), arguments.groups)
    studies = of_groups(arguments.input, groups)
    changes = {
        "turned": lambda images, _: geometry.turned(images, 1, True),
        "warped": lambda images, use: geometry.warped(images, settings.warp, rng(SEED, use)),
    }
    originals = [images(group, study) for group, study in zip(groups, studies, strict=True)]
    before = [sharpness(one) for one in originals]
    print(f"{len(groups)} groups: share of the original's, mean (smallest to largest)")
    for name, change in changes.items():
        after = [sharpness(change(one, i)) for i, one in enumerate(originals)]
        for of in before[0]:
            shares = [a[of] / b[of] for a, b in zip(after, before, strict=True)]
            print(f"{name}  {of:32} {np.mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})")
    print(f"seconds a group: made {making(studies, settings):.2f}, fused {fusing(originals):.2f}")


def images(group: Group, study: Study) -> Images:
    """The three images of a group, in [0, 1]."""
    return [study.read(name) for name in group.modalities]


def sharpness(sources: Images) -> dict[str, float]:
    """Energy of the gradient, and power at high frequencies, of a source and of the truth."""
    shown = {"source": sources[0], "truth": grey(fuse(tuple(sources)))}
    measures = {"gradient energy": gradient_energy, "power above half Nyquist": fine_power}
    return {
        f"{image}, {measure}": function(pixels)
        for image, pixels in shown.items()
        for measure, function in measures.items()
    }


def gradient_energy(image: np.ndarray) -> float:
    """Sum of squared differences of neighbours of (H, W)."""
    return float((np.diff(image, axis=0) ** 2).sum() + (np.diff(image, axis=1) ** 2).sum())


def fine_power(image: np.ndarray) -> float:
    """Power of (H, W) above 1/4 cycle a pixel, in any direction."""
    rows, columns = (np.fft.fftfreq(side) for side in image.shape)
    fine = np.hypot(rows[:, None], columns[None, :]) > 0.25
    return float((np.abs(np.fft.fft2(image)) ** 2)[fine].sum())


def making(studies: list[Study], settings: Synthetic, count: int = 20) -> float:
    """CPU seconds to make a computed group, without its truth."""
    recipes = Recipes(studies, settings, SEED)
    start = time.process_time()
    for index in range(count):
        recipes.make(index)
    return (time.process_time() - start) / count


def fusing(originals: list[Images], count: int = 5) -> float:
    """CPU seconds to fuse a group by BitonicX."""
    start = time.process_time()
    for sources in originals[:count]:
        fuse(tuple(sources))
    return (time.process_time() - start) / min(count, len(originals))


if __name__ == "__main__":
    main()
