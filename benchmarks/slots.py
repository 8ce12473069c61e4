"""What exchanging the two anatomical images changes in the truth: python benchmarks/slots.py.

    python benchmarks/slots.py [--input DIR] [--groups 4]

Fuses groups by BitonicX as they are and with their anatomical images exchanged, and prints the PSNR
between the two for each combination: less is more change. Beside it, the share of the pixels at
which the neurons of both fine details fire equally often though the details differ: there the first
image wins. Without `--input`, an image folder, the
groups are phantoms of 256 pixels, four patients a combination.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from bitonicx import SETTINGS, fuse
from quirks import psnr

from tfsdiff.acquisition.phantom import generate
from tfsdiff.common.sequences import evenly
from tfsdiff.data.images import read
from tfsdiff.data.slices import Group, image_path, read_manifest
from tfsdiff.methods.bitonicx.bitonic import bitonic
from tfsdiff.methods.bitonicx.pulse import papcnn
from tfsdiff.params import PhantomData

COMBINATIONS = (
    "MR-Gad_MR-T2_PET-FDG",
    "MR-Gad_MR-T2_SPECT-Tl",
    "CT_MR-T2_SPECT-Tc",
    "MR-T1_MR-T2_PET-FDG",
)
SEED = 2024
Images = tuple[np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    """Print a line for each combination."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, help="image folder, e.g. a data/hr")
    parser.add_argument("--groups", type=int, default=4, help="of each combination, at most")
    arguments = parser.parse_args()
    count = arguments.groups
    found = folder(arguments.input, count) if arguments.input else phantoms(count)
    print("PSNR between both orders [dB]: mean, smallest, largest; share of ties")
    for combination, groups in sorted(found.items()):
        scores = [exchanged(sources) for sources in groups]
        ties = np.mean([undecided(*sources[:2]) for sources in groups])
        print(
            f"{combination:24} {len(scores):3} groups  "
            f"{np.mean(scores):.1f}  {min(scores):.1f}  {max(scores):.1f}  {ties:.0%}"
        )


def exchanged(sources: Images) -> float:
    """PSNR between the truth and that of the exchanged slots, both as 8-bit images."""
    first, second, functional = sources
    both = (fuse((first, second, functional)), fuse((second, first, functional)))
    return psnr(*(np.floor(one.clip(0, 1) * 255 + 0.5) / 255 for one in both))


def undecided(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the pixels whose fine details differ, but not how often their neurons fire."""
    fine = [image - bitonic(image, SETTINGS.threshold) for image in (first, second)]
    fired = [papcnn(detail, SETTINGS.iterations) for detail in fine]
    return float(((fired[0] == fired[1]) & (fine[0] != fine[1])).mean())


def folder(path: Path, count: int) -> dict[str, list[Images]]:
    """Images of up to `count` groups a combination of an image folder, evenly from its manifest."""
    groups = defaultdict(list)
    for group in read_manifest(path):
        groups[group.combination].append(group)
    return {
        name: [images(path, one) for one in evenly(some, min(count, len(some)))]
        for name, some in groups.items()
    }


def images(path: Path, group: Group) -> Images:
    """Images of a group in [0, 1]."""
    first, second, last = (read(image_path(path, group, name)) / 255 for name in group.modalities)
    return first, second, last


def phantoms(count: int) -> dict[str, list[Images]]:
    """Images of one slice of each of `count` virtual patients a combination."""
    settings = PhantomData(
        source="phantom",
        input="",
        pixels=256,
        patients=count * len(COMBINATIONS),
        slices_per_patient=1,
        combinations=COMBINATIONS,
        lesion_share=0.5,
    )
    found = defaultdict(list)
    for group in generate(settings, SEED):
        found[group.combination].append(tuple(image / 255 for image in group.images))
    return found


if __name__ == "__main__":
    main()
