"""The three kinds of computed groups, and what changes all of them.

`borrow`  A functional image of another patient, fitted to the head, beside the anatomical images of
    a CT-MR pair or of a training group.
`remap`  An MR in another contrast beside itself and its functional image, of a pair or of a
    training group. For a share it is `agent` instead: one of the published combinations with
    contrast agent, MR-Gad and MR-T2 with PET-FDG or SPECT-Tl.
`real`  A training group.

All of them change in gain and gamma, in the order of the anatomical images, and in geometry.
Whatever is random derives from (seed, "synthesise", index), so a group depends neither on how many
are made, nor on who makes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tfsdiff.common.errors import InputError
from tfsdiff.core import seeding
from tfsdiff.data.images import Pixels
from tfsdiff.data.slices import ANATOMICAL, Group
from tfsdiff.data.synthesis import contrast, geometry, heads, lesions, origins
from tfsdiff.data.synthesis.studies import Study
from tfsdiff.params import Synthetic

DRAWS = 4  # of a kind, before a group is given up
ATTEMPTS = 50  # at a kind, before another one is drawn: else kinds that often fail would be rare
LEAST_LEVEL = 0.2  # that the brightest pixel of every image must reach
# Of heads between which a functional image is exchanged: 1 % of sagittal and coronal sections of
# other patients reach 1.27 and 1.34 with axial ones, a quarter of the axial ones more than that.
LEAST_SIMILARITY = 1.35
LEAST_INSIDE = 0.97  # of `heads.inside`, of a functional image that is borrowed
MOST_CUT = 0.4  # of `heads.cut_share`, in a functional image that is borrowed
OTHER_WEIGHTING = {"MR-T1": "MR-T2", "MR-T2": "MR-T1", "MR-PD": "MR-T1", "MR-Gad": "MR-T2"}


@dataclass(frozen=True)
class Images:
    """The images of a group while it is made.

    Attributes:
        kind: borrow, remap, agent or real.
        studies: what it is made of.
        modalities: of the three images.
        images: (H, W), (H, W) and (H, W, 3), float64 in [0, 1].
    """

    kind: str
    studies: tuple[Study, ...]
    modalities: tuple[str, str, str]
    images: tuple[np.ndarray, np.ndarray, np.ndarray]


class Recipes:
    """Makes computed groups from studies of training patients."""

    def __init__(self, studies: Sequence[Study], settings: Synthetic, seed: int) -> None:
        """Sort the studies by what can be made of them.

        Raises:
            InputError: nothing that `settings` asks for can be made.
        """
        self._settings = settings
        self._seed = seed
        ordered = sorted(studies, key=lambda study: study.origin)
        self._groups = [study for study in ordered if len(study.images) == 3]
        self._donors = [study for study in ordered if study.functional]
        self._hosts = [study for study in ordered if len(study.anatomical) == 2]
        makers = {
            "borrow": (self._borrow, self._can_borrow()),
            "remap": (self._remap, bool(self._donors)),
            "real": (self._real, bool(self._groups)),
        }
        shares = settings.kinds.model_dump()
        self._makers: dict[str, Callable[[np.random.Generator], Images | None]] = {
            kind: make for kind, (make, able) in makers.items() if able and shares[kind] > 0
        }
        if not self._makers:
            raise InputError(
                "synthetic.kinds: nothing can be made of the training groups and pairs there are; "
                "give pairs, or raise another share (synthetic.kinds.real needs groups alone)"
            )
        share = np.array([shares[kind] for kind in self._makers])
        self._shares = share / share.sum()

    def _can_borrow(self) -> bool:
        donors = {study.person for study in self._donors}
        return any(donors - {host.person} for host in self._hosts)

    def make(self, index: int) -> tuple[Group, tuple[Pixels, Pixels, Pixels]]:
        """Make the group of a number: its row of the manifest, and its three 8-bit images.

        Raises:
            InputError: none was found among many attempts, as where images show no head.
        """
        rng = seeding.rng(self._seed, "synthesise", index)
        for _ in range(DRAWS):
            kind = str(rng.choice(list(self._makers), p=self._shares))
            for _ in range(ATTEMPTS):
                made = self._attempt(kind, rng)
                if made is not None:
                    return _group(made, index), tuple(map(_to_8bit, made.images))
        raise InputError(
            f"{name_of(index)}: {DRAWS * ATTEMPTS} attempts gave no group; are the images heads, "
            "of one orientation?"
        )

    def _attempt(self, kind: str, rng: np.random.Generator) -> Images | None:
        made = self._makers[kind](rng)
        if made is None:
            return None
        made = self._changed(made, rng)
        return made if min(image.max() for image in made.images) >= LEAST_LEVEL else None

    def _real(self, rng: np.random.Generator) -> Images:
        study = _one_of(self._groups, rng)
        first, second = study.anatomical
        return _images("real", (study,), (first, second, study.functional))

    def _borrow(self, rng: np.random.Generator) -> Images | None:
        host = _one_of(self._hosts, rng)
        target = _portrait(host)
        if target is None:
            return None
        donors = [study for study in self._donors if study.person != host.person]
        if not donors:
            return None
        chosen = [_one_of(donors, rng) for _ in range(self._settings.candidates)]
        compared = [(_likeness(target, donor), donor) for donor in chosen]
        likeness, donor = max(compared, key=lambda one: one[0])
        functional = _fitted(donor, target.head) if likeness >= LEAST_SIMILARITY else None
        if functional is None:
            return None
        first, second = host.anatomical
        images = (host.read(first), host.read(second), functional)
        return Images("borrow", (host, donor), (first, second, donor.functional), images)

    def _remap(self, rng: np.random.Generator) -> Images | None:
        study = _one_of(self._donors, rng)
        if rng.random() < self._settings.published:
            return _with_agent(study, rng)
        name = study.mr[rng.integers(len(study.mr))]
        mr = study.read(name)
        other = contrast.remapped(mr, rng, self._settings.field, self._settings.noise)
        anatomical = {OTHER_WEIGHTING[name]: other, name: mr}
        functional = study.read(study.functional)
        return _remapped("remap", study, anatomical, study.functional, functional)

    def _changed(self, made: Images, rng: np.random.Generator) -> Images:
        settings = self._settings
        images = [self._toned(image, rng) for image in made.images]
        modalities = made.modalities
        if rng.random() < settings.swapped:
            images = [images[1], images[0], images[2]]
            modalities = (modalities[1], modalities[0], modalities[2])
        if rng.random() < settings.resampled:
            images = geometry.warped(images, settings.warp, rng)
        mirror, turn = rng.random() < 0.5, int(rng.integers(4))
        if rng.random() < settings.turned:
            images = geometry.turned(images, turn, mirror)
        return Images(made.kind, made.studies, modalities, tuple(images))

    def _toned(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        settings = self._settings
        gain = 1 + rng.uniform(-settings.gain, 0.6 * settings.gain)  # more would saturate
        gamma = np.exp(rng.uniform(-settings.gamma, settings.gamma))
        change = rng.random() < settings.toned
        return contrast.toned(image, gain, gamma) if change else image


def name_of(index: int) -> str:
    """Name of a computed group, e.g. computed-00017."""
    return f"computed-{index:05d}"


def _group(made: Images, index: int) -> Group:
    return Group(
        group=name_of(index),
        combination="_".join(made.modalities),
        slice=index,
        anatomical_1=made.modalities[0],
        anatomical_2=made.modalities[1],
        functional=made.modalities[2],
        **origins.fields(made.kind, made.studies),
    )


def _images(kind: str, studies: tuple[Study, ...], modalities: tuple[str, str, str]) -> Images:
    return Images(kind, studies, modalities, tuple(studies[0].read(name) for name in modalities))


@lru_cache(maxsize=10_000)  # a slice is compared with many others
def _portrait(study: Study) -> heads.Portrait | None:
    return heads.portrait(study.read(study.mr[0]))


def _likeness(target: heads.Portrait, donor: Study) -> float:
    """Similarity of the heads, or -inf where the donor shows none."""
    other = _portrait(donor)
    return -np.inf if other is None else heads.similarity(target, other)


def _fitted(donor: Study, target: heads.Head) -> np.ndarray | None:
    """The functional image of `donor` on the head `target`; None where it is cut or too large."""
    head = _portrait(donor).head
    image = donor.read(donor.functional)
    if heads.cut_share(image.max(-1)) > MOST_CUT:
        return None
    shown = contrast.values_of(image)
    if shown is None:
        channels = [heads.fitted(x, head, target) for x in np.moveaxis(image, -1, 0)]
        moved, uptake = np.stack(channels, -1), np.max(channels, axis=0)
    else:
        uptake = heads.fitted(shown[0], head, target)
        moved = contrast.coloured(uptake, shown[1])
    return moved if heads.inside(uptake, target) >= LEAST_INSIDE else None


def _with_agent(study: Study, rng: np.random.Generator) -> Images | None:
    """MR-T2, MR-Gad and PET-FDG, or SPECT-Tl in the place of another tracer."""
    has_t2 = "MR-T2" in study.mr
    name = "MR-T2" if has_t2 else study.mr[0]
    mr = study.read(name)
    head = heads.find(mr)
    if head is None:
        return None
    t2 = mr if has_t2 else contrast.weighted(mr, head, contrast.TO_T2)
    t1 = contrast.weighted(mr, head, contrast.TO_T1) if has_t2 else mr
    if "MR-T1" in study.mr:
        t1 = study.read("MR-T1")
    pet = study.functional == "PET-FDG"
    found = lesions.lesions(head, 0 if pet else int(rng.choice((1, 1, 1, 2, 3))), rng)
    gad = lesions.enhanced(t1, mr, head, found, rng)
    t2 = lesions.swollen(t2, found, rng)
    functional = study.read("PET-FDG") if pet else lesions.thallium(head, found, rng)
    name = "PET-FDG" if pet else "SPECT-Tl"
    return _remapped("agent", study, {"MR-T2": t2, "MR-Gad": gad}, name, functional)


def _remapped(
    kind: str, study: Study, anatomical: dict[str, np.ndarray], functional: str, image: np.ndarray
) -> Images:
    """A group of two anatomical images, in the order of the sources, and a functional one."""
    first, second = sorted(anatomical, key=ANATOMICAL.index)
    images = (anatomical[first], anatomical[second], image)
    return Images(kind, (study,), (first, second, functional), images)


def _one_of(studies: Sequence[Study], rng: np.random.Generator) -> Study:
    """Draw a patient, then a study: patients with many slices are not drawn more often."""
    persons = sorted({study.person for study in studies})
    person = persons[rng.integers(len(persons))]
    theirs = [study for study in studies if study.person == person]
    return theirs[rng.integers(len(theirs))]


def _to_8bit(image: np.ndarray) -> Pixels:
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
