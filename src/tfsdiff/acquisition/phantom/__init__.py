"""Virtual patients: registered images of eight modalities, made from the MNI152 average brain.

The default data source of the project: it needs no download, and the seed determines every image.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfsdiff.acquisition.phantom import ct, mri, nuclear
from tfsdiff.acquisition.phantom.anatomy import tissue_fractions
from tfsdiff.acquisition.phantom.fields import Plane, axial_plane
from tfsdiff.acquisition.phantom.patient import ZERO_SLICE, Patient, draw_patient, plan_slices
from tfsdiff.acquisition.phantom.raster import CANVAS_MM, reduce_area, to_bytes
from tfsdiff.common.errors import InputError
from tfsdiff.data.combination import parse_combination
from tfsdiff.params import PhantomData

ANATOMICAL = (*mri.SEQUENCES, "CT")
FUNCTIONAL = tuple(nuclear.CAMERAS)


@dataclass(frozen=True)
class PhantomGroup:
    """Three registered images of one slice of a virtual patient, with the fields of the manifest.

    Attributes:
        group: name, e.g. `phantom03-102`.
        combination: its modalities, joined by an underscore.
        patient: name of the patient.
        slice: axial slice in mm from the bottom of the MNI152 volume, three digits.
        modalities: of the first anatomical, the second anatomical and the functional image.
        images: (H, W), (H, W) and (H, W, 3), 8 bit, in the same order.
    """

    group: str
    combination: str
    patient: str
    slice: str
    modalities: tuple[str, str, str]
    images: tuple[np.ndarray, np.ndarray, np.ndarray]


def generate(settings: PhantomData, seed: int) -> Iterator[PhantomGroup]:
    """Make the groups of all patients in turn, patient by patient, from below upward.

    Raises:
        InputError: a combination does not name two anatomical modalities and a functional one.
    """
    try:
        dealt = [parse_combination(combination) for combination in settings.combinations]
    except ValueError as error:
        raise InputError(f"combination {error}") from None
    if not dealt:
        raise InputError("data.combinations is empty; name at least one, e.g. CT_MR-T2_SPECT-Tc")
    return _patients(settings, seed, dealt)


def _patients(
    settings: PhantomData, seed: int, dealt: list[tuple[str, str, str]]
) -> Iterator[PhantomGroup]:
    for number in range(1, settings.patients + 1):
        patient = draw_patient(seed, number, settings.lesion_share)
        for index in plan_slices(patient, settings.slices_per_patient):
            yield make_group(patient, index, dealt[(number - 1) % len(dealt)], settings.pixels)


def make_group(
    patient: Patient, index: int, modalities: tuple[str, str, str], pixels: int
) -> PhantomGroup:
    """Make one group: the modalities on axial slice `index` of `patient`, `pixels` squared."""
    name = f"{index:03d}"
    first, second, functional = render(patient, index, modalities, pixels)
    return PhantomGroup(
        group=f"{patient.name}-{name}",
        combination="_".join(modalities),
        patient=patient.name,
        slice=name,
        modalities=modalities,
        images=(first, second, functional),
    )


def render(
    patient: Patient, index: int, modalities: tuple[str, ...], pixels: int
) -> tuple[np.ndarray, ...]:
    """Images of `modalities` on axial slice `index`: (H, W), or (H, W, 3) where functional."""
    plane = axial_plane(float(index - ZERO_SLICE), CANVAS_MM, 1)
    fractions = tissue_fractions(patient, plane)
    return tuple(_image(patient, plane, fractions, name, pixels) for name in modalities)


def _image(
    patient: Patient, plane: Plane, fractions: np.ndarray, modality: str, pixels: int
) -> np.ndarray:
    if modality in FUNCTIONAL:
        activity = nuclear.render(patient, plane.z, CANVAS_MM, modality)
        return to_bytes(nuclear.paint(reduce_area(activity, pixels), modality))
    if modality == "CT":
        image = ct.render(fractions, patient, plane)
    else:
        image = mri.render(fractions, patient, plane, modality)
    return to_bytes(reduce_area(image, pixels))
