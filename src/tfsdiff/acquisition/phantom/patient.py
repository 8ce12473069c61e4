"""A virtual patient: the properties that do not depend on the slice or the modality."""

from dataclasses import dataclass

import numpy as np

from tfsdiff.acquisition.phantom.deform import Deformation, draw_deformation
from tfsdiff.acquisition.phantom.fields import Field, draw_field
from tfsdiff.acquisition.phantom.lesions import Lesion, draw_lesion
from tfsdiff.core.seeding import rng as make_rng

GOLDEN = (5**0.5 - 1) / 2
ZERO_SLICE = 72  # axial slice, in mm from the bottom of the MNI152 volume, at the height z = 0
LOWEST_SLICE, HIGHEST_SLICE = 72, 130  # the cerebrum, from above the eyes to below the vertex


@dataclass(frozen=True)
class Head:
    """Thicknesses in mm and other traits of one head.

    Attributes:
        gap: CSF between brain and skull; grows with atrophy.
        skull: of both tables with the diploe.
        scalp: of skin, fat and muscle.
        diploe: share of marrow between the tables, 0 to 1.
        ventricles: threshold of the smooth ventricle map; the lower, the wider they are.
        sinus: size of the air-filled frontal sinus, relative.
        calcified: of choroid plexus and pineal gland, 0 to 1.
    """

    gap: float
    skull: float
    scalp: float
    diploe: float
    ventricles: float
    sinus: float
    calcified: float


@dataclass(frozen=True)
class Patient:
    """One virtual patient.

    Attributes:
        seed: of the project.
        number: of the patient, from 1.
        head: thicknesses and traits.
        deformation: individual shape.
        texture: fields by use: `gyri`, `cortex`, `skull`, `scalp`, `vessels`, `fine`, `region`,
            `focus`, `coil`.
        lesion: the lesion, where there is one.
    """

    seed: int
    number: int
    head: Head
    deformation: Deformation
    texture: dict[str, Field]
    lesion: Lesion | None

    @property
    def name(self) -> str:
        """Name in file names and tables."""
        return f"phantom{self.number:02d}"

    def rng(self, *words: str | int) -> np.random.Generator:
        """Generator of this patient for one use."""
        return make_rng(self.seed, "phantom", self.number, *words)


TEXTURES_MM = {  # spacing of the fields
    "gyri": 7.0,
    "cortex": 3.2,
    "skull": 32.0,
    "scalp": 36.0,
    "vessels": 3.0,
    "fine": 2.5,
    "region": 22.0,
    "focus": 9.0,
    "coil": 70.0,
}


def draw_patient(seed: int, number: int, lesion_share: float) -> Patient:
    """Draw patient `number` (from 1), independently of how many there are."""
    rng = make_rng(seed, "phantom", number)
    return Patient(
        seed=seed,
        number=number,
        head=_draw_head(rng),
        deformation=draw_deformation(rng),
        texture={use: draw_field(rng, spacing) for use, spacing in TEXTURES_MM.items()},
        lesion=draw_lesion(rng) if has_lesion(seed, number, lesion_share) else None,
    )


def has_lesion(seed: int, number: int, share: float) -> bool:
    """Whether patient `number` carries a lesion: a `share` of them, and one of the first two.

    A sequence of low discrepancy (multiples of the golden ratio) keeps the share in every run of
    patients and does not coincide with the period of the combinations.
    """
    rng = make_rng(seed, "phantom", "lesions")
    first, phase = int(rng.integers(1, 3)), rng.random()
    return (phase * share + (number - first) * GOLDEN) % 1.0 < share


def _draw_head(rng: np.random.Generator) -> Head:
    atrophy = rng.beta(1.5, 3.0)
    return Head(
        gap=0.8 + 2.6 * atrophy,
        skull=rng.normal(7.2, 0.8),
        scalp=rng.normal(5.4, 0.8),
        diploe=rng.uniform(0, 1),
        ventricles=0.48 - 0.42 * np.clip(atrophy + rng.normal(0, 0.12), 0, 1),
        sinus=rng.uniform(0, 1.2),
        calcified=rng.uniform(0, 1),
    )


def plan_slices(patient: Patient, count: int) -> tuple[int, ...]:
    """Axial slices of a patient, spread over the cerebrum; half of them through a lesion."""
    heights = np.arange(LOWEST_SLICE, HIGHEST_SLICE + 1)
    density = np.full(heights.size, 1 / heights.size)
    if patient.lesion is not None:
        reach = 0.75 * patient.lesion.radius * patient.lesion.axes[2]
        near = np.abs(heights - ZERO_SLICE - patient.lesion.centre[2]) < reach
        density = (density + near / near.sum()) / 2
    jitter = patient.rng("slices").uniform(-0.25, 0.25)
    wanted = (np.arange(count) + 0.5 + jitter) / count
    return tuple(int(heights[i]) for i in np.searchsorted(np.cumsum(density), wanted))
