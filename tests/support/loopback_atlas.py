"""An atlas for the loopback server: real slices where they lie beside the repository, phantoms.

`python tests/support/loopback_atlas.py FOLDER` writes its files, for `atlas_server.py` beside it to
serve, and the registry that describes them.
"""

import argparse
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tfsdiff.acquisition.phantom import draw_patient, plan_slices, render
from tfsdiff.data.images import Pixels, read

SHARED = Path(__file__).resolve().parents[3] / "shared"

# Folder of the atlas, form of its files, and series by modality, for each patient of the real
# slices; which mrK is which is as in the atlas for caseNN1 and made up for the others.
REAL = {
    "case18": ("case18", "gif", {"MR-T1": "mr1", "MR-T2": "mr2", "SPECT-Tc": "tc1"}),
    "case21": ("case21", "gif", {"MR-T2": "mr1", "CT": "ct1", "SPECT-Tc": "tc1"}),
    "case28": ("case28", "gif", {"MR-T2": "mr1", "CT": "ct1", "SPECT-Tc": "tc1"}),
    "case36": ("case36", "gif", {"MR-PD": "mr1", "MR-T2": "mr2", "SPECT-Tc": "tc1"}),
    "petnormal": ("caseNN1", "png", {"MR-T2": "mr1", "MR-T1": "mr2", "PET-FDG": "dg1"}),
}
PHANTOMS = {
    "case91": {"MR-T2": "mr1", "MR-Gad": "mr2", "PET-FDG": "dg1"},
    "case92": {"MR-T2": "mr1", "MR-Gad": "mr2", "SPECT-Tl": "tl1"},
    "case93": {"MR-T1": "mr1", "MR-T2": "mr2", "PET-FDG": "dg1"},
}
SPOILT = "case93"  # its first three slices: functional image shifted, cut, black


@dataclass(frozen=True)
class Atlas:
    """Files by their path below the address, the registry's text, and what the slices show.

    Attributes:
        files: GIF and PNG files.
        registry: YAML text.
        pixels: arrays of all slices, by path.
        modalities: of each series, by case and folder.
    """

    files: Mapping[str, bytes]
    registry: str
    pixels: Mapping[str, Pixels]
    modalities: Mapping[tuple[str, str], str]


def make(
    slices: int, pixels: int = 256, real: bool = True, limit: int = 100, classify: bool = True
) -> Atlas:
    """Make an atlas.

    Args:
        slices: of each phantom.
        pixels: side of the phantoms.
        real: also take the real slices, where there are any.
        limit: slices of each real patient, at most.
        classify: leave the weighting of MR folders to the images, but for caseNN1 and phantoms.
    """
    found = {}
    cases: dict[str, dict] = {}
    modalities = {}
    seen: dict[tuple[str, str], list[int]] = {}
    origins = [_phantoms(slices, pixels)]
    if real and SHARED.is_dir():
        origins.append(_real(limit))
    for origin in origins:
        for case, form, series, modality, number, image in origin:
            found[f"cases/{case}/{series}/{number:03d}.{form}"] = image
            modalities[case, series] = modality
            entry = cases.setdefault(case, {"subject": "test", "format": form, "series": {}})
            told = modality if form == "png" or not modality.startswith("MR") else "classify"
            numbers = seen.setdefault((case, series), [])
            numbers.append(number)
            entry["series"][series] = {
                "modality": told if classify else modality,
                "slices": "probe",
                "seen": f"{min(numbers)}-{max(numbers)}",
                "source": "test",
            }
    files = {path: encode(image, path.rpartition(".")[2]) for path, image in found.items()}
    registry = yaml.safe_dump({"sources": {"test": "made up"}, "cases": cases})
    return Atlas(files, registry, found, modalities)


def _phantoms(slices: int, pixels: int) -> Iterator[tuple[str, str, str, str, int, Pixels]]:
    for number, (case, series) in enumerate(PHANTOMS.items(), start=1):
        patient = draw_patient(7, number, 1.0)
        names = tuple(series)
        for place, index in enumerate(plan_slices(patient, slices)):
            images = list(render(patient, index, names, pixels))
            if case == SPOILT:
                images[-1] = _spoil(images[-1], place)
            for modality, image in zip(names, images, strict=True):
                yield case, "png", series[modality], modality, place + 5, image


def _spoil(image: Pixels, place: int) -> Pixels:
    side = len(image)
    spoilt = image.copy()
    if place == 0:
        spoilt = np.roll(image, side // 8, axis=1)
    elif place == 1:
        columns = np.flatnonzero(image.any(axis=(0, 2)))
        spoilt[:, : (3 * columns[0] + columns[-1]) // 4] = 0
    elif place == 2:
        spoilt[:] = 0
    return spoilt


def _real(limit: int) -> Iterator[tuple[str, str, str, str, int, Pixels]]:
    folder = SHARED / "data/harvard-triples"
    taken: dict[str, int] = {}
    with (folder / "manifest.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            taken[row["patient"]] = taken.get(row["patient"], 0) + 1
            if taken[row["patient"]] > limit:
                continue
            case, form, series = REAL[row["patient"]]
            for modality, name in series.items():
                image = read(folder / "images" / row["group"] / f"{modality}.png")
                yield case, form, name, modality, int(row["slice"]), image


def encode(image: Pixels, form: str) -> bytes:
    """Bytes of a GIF or PNG file; a GIF of a coloured image must not need more than 256 colours."""
    stream = io.BytesIO()
    if form == "gif" and image.ndim == 3:
        colours, index = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
        if len(colours) > 256:
            raise ValueError(f"{len(colours)} colours are too many for a GIF")
        picture = Image.fromarray(index.reshape(image.shape[:2]).astype(np.uint8), "P")
        picture.putpalette(colours.astype(np.uint8).tobytes())
    else:
        picture = Image.fromarray(image)
    picture.save(stream, form.upper())
    return stream.getvalue()


def write(atlas: Atlas, folder: Path) -> None:
    """Write the files below `folder`/AANLIB, and `registry.yaml` with an empty lock beside it."""
    for path, data in atlas.files.items():
        target = folder / "AANLIB" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    describe(atlas, folder)


def describe(atlas: Atlas, folder: Path) -> None:
    """Write `registry.yaml` and an empty `lock.csv` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registry.yaml").write_text(atlas.registry, encoding="utf-8")
    (folder / "lock.csv").write_text("path,bytes,sha256\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    write(make(6), parser.parse_args().folder)
