"""Tissue fractions on a plane through a patient's head."""

from dataclasses import dataclass

import numpy as np

from tfsdiff.acquisition.phantom.fields import Plane, smooth_step
from tfsdiff.acquisition.phantom.maps import load_maps
from tfsdiff.acquisition.phantom.patient import Patient
from tfsdiff.acquisition.phantom.tissues import INDEX, NAMES

EDGE_MM = 1.0  # width of the partial-volume edge between layers
SHARPNESS = 3.5  # exponent that turns average fractions back into those of one person
SULCAL_DEPTH_MM = 13.0


@dataclass(frozen=True)
class Place:
    """Where the points of a plane lie in the average head.

    Attributes:
        plane: in the patient's mm.
        points: (3, H, W) in MNI mm.
        outside: (H, W) mm outside the hull of the brain, negative inside.
    """

    plane: Plane
    points: np.ndarray
    outside: np.ndarray


def tissue_fractions(patient: Patient, plane: Plane) -> np.ndarray:
    """Fractions (tissues, H, W) of the tissues `NAMES` on `plane`; they sum to one."""
    place = _locate(patient, plane)
    fractions = np.zeros((len(NAMES), *place.outside.shape), dtype=np.float32)
    _add_brain(fractions, patient, place)
    _add_vessels(fractions, patient, place)
    if patient.lesion is not None:
        patient.lesion.insert(fractions, plane)
    _add_plexus(fractions, patient, place)
    _add_layers(fractions, patient, place)
    return fractions


def _locate(patient: Patient, plane: Plane) -> Place:
    maps = load_maps()
    skull, points = patient.deformation.apply(plane)
    outside = maps.coarse(maps.outside, skull)
    if patient.lesion is not None:
        points = points + patient.lesion.displace(plane)
    crest = 1.2 * np.exp(-((skull[0] / 20) ** 2)) * smooth_step(np.abs(skull[1] + 18) - 30, 30.0)
    return Place(plane, points, outside - crest)


def _add_brain(fractions: np.ndarray, patient: Patient, place: Place) -> None:
    """Cortex, white matter and CSF: average fractions with individual sulci, sharpened."""
    maps = load_maps()
    grey, white = (maps.fine(volume, place.points) for volume in (maps.grey, maps.white))
    csf = np.clip(1 - grey - white, 0, 1) * (1.0 + 0.8 * patient.head.gap)
    grey, white, csf = _fold(patient, place, grey, white, csf)
    deep = smooth_step(-place.outside - 24, 12.0)
    power = SHARPNESS * (1 - 0.45 * deep)  # the basal ganglia are truly mixed
    parts = np.stack([csf, grey, white]) ** power
    parts /= np.maximum(parts.sum(0), 1e-6)
    wide = smooth_step(maps.coarse(maps.ventricles, place.points) - patient.head.ventricles, 0.12)
    for index, name in enumerate(("csf", "grey", "white")):
        fractions[INDEX[name]] = parts[index] * (1 - wide)
    fractions[INDEX["csf"]] += wide


def _fold(
    patient: Patient, place: Place, grey: np.ndarray, white: np.ndarray, csf: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add individual sulci along the zero lines of a field, and a cortex of uneven thickness."""
    gyri, cortex = (patient.texture[use].on(place.plane) for use in ("gyri", "cortex"))
    shallow = smooth_step(place.outside + SULCAL_DEPTH_MM, 9.0)
    valley = np.exp(-((gyri / (0.10 + 0.04 * patient.head.gap)) ** 2)) * shallow
    bank = np.exp(-((gyri / 0.55) ** 2)) * shallow
    white = white * (1 - 0.6 * bank) * np.exp(0.25 * cortex * shallow)
    grey = (grey + 0.35 * bank * (1 - grey)) * (1 - 0.5 * valley)
    csf = csf + (0.45 + 0.12 * patient.head.gap) * valley
    return grey, white, csf


def _add_vessels(fractions: np.ndarray, patient: Patient, place: Place) -> None:
    """Cortical veins in the sulci, the sagittal sinus, and the falx between the hemispheres."""
    x, csf = place.points[0], INDEX["csf"]
    veins = smooth_step(patient.texture["vessels"].on(place.plane) - 1.5, 0.5)
    shallow = smooth_step(place.outside + 30, 10.0)
    _move(fractions, csf, "blood", 0.8 * veins * shallow)
    falx = np.exp(-((x / 0.7) ** 2)) * smooth_step(place.outside + 42, 16.0)
    _move(fractions, csf, "dura", 0.6 * falx)
    width = np.clip(4.2 + 0.5 * place.outside, 0, 5)  # a triangle with its base on the skull
    sinus = smooth_step(width - np.abs(x), 1.5) * (place.points[1] < -20)
    for tissue in ("csf", "grey", "white"):
        _move(fractions, INDEX[tissue], "blood", sinus)


def _add_plexus(fractions: np.ndarray, patient: Patient, place: Place) -> None:
    """Choroid plexus in the trigones of the ventricles and the pineal gland, partly calcified."""
    for x, y, z, radius in ((24, -43, 9, 3.4), (-24, -43, 9, 3.4), (0, -27, 2, 2.6)):
        centre = np.array([x, y, z])[:, None, None]
        squared = ((place.points - centre) ** 2 / np.array([1, 3, 2])[:, None, None]).sum(0)
        spot = smooth_step(radius - np.sqrt(squared), 1.5)
        for tissue in ("csf", "grey", "white"):
            _move(fractions, INDEX[tissue], "blood", 0.5 * spot)
        _move(fractions, INDEX["blood"], "marrow", patient.head.calcified * spot**2)


def _add_layers(fractions: np.ndarray, patient: Patient, place: Place) -> None:
    """Wrap the brain in CSF, dura, skull and scalp."""
    skull, scalp = (patient.texture[use].on(place.plane) for use in ("skull", "scalp"))
    head, depth = patient.head, place.outside
    inner = head.gap * (1 + 0.25 * scalp)
    outer = inner + head.skull * (1 + 0.13 * skull)
    skin = outer + head.scalp * (1 + 0.10 * scalp) + 3 * _temple(place)
    _wrap(fractions, depth, 0.4, "csf", keep=("grey", "white"))
    _wrap(fractions, depth, inner - 0.8, "dura")
    _wrap(fractions, depth, inner, "bone")
    table = np.clip(3.2 - 1.6 * head.diploe - 0.6 * skull, 1.2, 4.0)  # compact bone on both sides
    _wrap(fractions, depth, inner + table, "marrow")
    _wrap(fractions, depth, np.maximum(outer - table, inner + table), "bone")
    _add_frontal_sinus(fractions, patient, place, inner, outer)
    _wrap(fractions, depth, outer, "muscle")
    _wrap(fractions, depth, outer + 0.8 + 3 * _temple(place), "fat")
    strands = smooth_step(patient.texture["vessels"].on(place.plane) - 0.8, 1.2)
    _move(fractions, INDEX["fat"], "muscle", 0.6 * strands)
    _wrap(fractions, depth, skin - 1.1, "muscle")
    _wrap(fractions, depth, skin, "air")


def _add_frontal_sinus(
    fractions: np.ndarray, patient: Patient, place: Place, inner: np.ndarray, outer: np.ndarray
) -> None:
    x, y, z = place.points
    half = patient.head.sinus * (16 - 0.5 * np.maximum(z, 0))
    middle = smooth_step(half - np.abs(x), 4.0) * (y > 30)
    between = smooth_step(place.outside - inner - 1.5, EDGE_MM)
    between = between * smooth_step(outer - 1.5 - place.outside, EDGE_MM)
    for tissue in ("bone", "marrow"):
        _move(fractions, INDEX[tissue], "air", middle * between)


def _temple(place: Place) -> np.ndarray:
    """Where the temporal muscle thickens the scalp, in [0, 1]."""
    x, y, z = place.points
    low = smooth_step(30 - z, 60.0)
    return low * np.exp(-(((y - 4) / 34) ** 2)) * smooth_step(np.abs(x) - 48, 36.0)


def _wrap(
    fractions: np.ndarray,
    depth: np.ndarray,
    border: np.ndarray | float,
    by: str,
    keep: tuple[str, ...] = (),
) -> None:
    """Replace everything farther out than `border` mm, but the tissues `keep`, by tissue `by`."""
    share = smooth_step(depth - border, EDGE_MM)
    for index, name in enumerate(NAMES):
        if name != by and name not in keep:
            _move(fractions, index, by, share)


def _move(fractions: np.ndarray, index: int, by: str, share: np.ndarray) -> None:
    moved = fractions[index] * share
    fractions[index] -= moved
    fractions[INDEX[by]] += moved
