"""Studies: the registered images of one slice of one patient, a training group or a pair."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsdiff.common.errors import InputError
from tfsdiff.data.images import read
from tfsdiff.data.pairs import Pair
from tfsdiff.data.slices import FUNCTIONAL, MODALITIES, Group, image_path

# What a pair's images are. The manifest of pairs does not say how an MR is weighted: in the
# published collections it is T1 beside PET, and T2 beside CT and SPECT.
_PAIRED = {
    "CT": ("MR-T2", "CT"),
    "PET": ("MR-T1", "PET-FDG"),
    "SPECT": ("MR-T2", "SPECT-Tc"),
}


@dataclass(frozen=True)
class Study:
    """The images of one slice of one patient.

    Attributes:
        origin: "group NAME" or "pair NAME", unique.
        patient: name as in a manifest of groups.
        images: modality and path of each image, two or three, in the order of the sources.
    """

    origin: str
    patient: str
    images: tuple[tuple[str, Path], ...]

    def __post_init__(self) -> None:
        if "+" in self.patient:
            raise InputError(
                f"{self.origin}: patient '{self.patient}' has a '+', which joins the patients of "
                "computed groups; rename the patient, or set synthetic.count to 0"
            )

    @property
    def anatomical(self) -> tuple[str, ...]:
        """Its anatomical modalities."""
        return tuple(name for name, _ in self.images if name not in FUNCTIONAL)

    @property
    def mr(self) -> tuple[str, ...]:
        """Its MR modalities, at least one."""
        return tuple(name for name in self.anatomical if name.startswith("MR-"))

    @property
    def functional(self) -> str | None:
        """Its functional modality, if it has one."""
        return next((name for name, _ in self.images if name in FUNCTIONAL), None)

    @property
    def person(self) -> str:
        """The patient, the same for "case28" and "28"."""
        return person(self.patient)

    def read(self, modality: str) -> np.ndarray:
        """One image, float64 in [0, 1]: (H, W), or (H, W, 3) where functional."""
        pixels = read(dict(self.images)[modality]) / 255
        if modality in FUNCTIONAL:
            return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
        return pixels if pixels.ndim == 2 else pixels[..., 0]


def person(patient: str) -> str:
    """Name under which a patient is known in groups and pairs alike: "28" for "case28"."""
    return patient.lower().removeprefix("case")


def of_groups(folder: Path, groups: Iterable[Group]) -> list[Study]:
    """Studies of groups of an image folder."""
    return [
        Study(
            f"group {group.group}",
            group.patient,
            tuple((name, image_path(folder, group, name)) for name in group.modalities),
        )
        for group in groups
    ]


def of_pairs(folder: Path, pairs: Iterable[Pair]) -> list[Study]:
    """Studies of pairs of a pair folder."""
    studies = []
    for pair in pairs:
        mr, other = _PAIRED[pair.functional_or_ct]
        at = folder / pair.pair
        files = {mr: at / "MR.png", other: at / f"{pair.functional_or_ct}.png"}
        files = tuple((name, files[name]) for name in MODALITIES if name in files)
        studies.append(Study(f"pair {pair.pair}", pair.case, files))
    return studies


def digest(studies: Sequence[Study]) -> str:
    """SHA-256 of names and files of studies, in hex."""
    found = hashlib.sha256()
    for study in studies:
        found.update(f"{study.origin}\n{study.patient}\n".encode())
        for name, path in study.images:
            found.update(f"{name}\n".encode() + path.read_bytes())
    return found.hexdigest()
