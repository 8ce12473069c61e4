"""How well weightings are told from images: python benchmarks/weighting.py --shared ../shared.

    python benchmarks/weighting.py [--shared DIR] [--every 1]

Real slices are those of which the weighting is known (README.md of the shared data); nobody with
contrast agent is among them. Phantoms of one seed help to fit the table `TYPICAL`, those of another
seed are tested. A patient's slices are tested with a table that is fitted without that patient.
Prints the table fitted to all, which is what the module should hold.
"""

import argparse
import itertools
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tfsdiff.acquisition.atlas.weighting import (
    DOUBTFUL,
    TYPICAL,
    WEIGHTINGS,
    Measures,
    Typical,
    Weighting,
    central,
    decide,
    logarithms,
    measure,
)
from tfsdiff.acquisition.phantom import render
from tfsdiff.acquisition.phantom.patient import draw_patient, plan_slices

FIT_SEED, TEST_SEED = 11, 12
PHANTOMS, PHANTOM_SLICES, LESIONS = 12, 10, 0.5
GAMMAS = (0.8, 1.0, 1.25)
PHANTOM_WEIGHT = 1.0  # all phantoms of a weighting together count as so many real patients
LOOKS_LIKE = {"MR-Gad": "MR-T1"}  # whose distribution describes it, too


@dataclass(frozen=True)
class Series:
    """One series: what it is, whose it is, and what its slices show, also in other windows."""

    truth: str
    patient: str
    name: str
    found: tuple[Measures, ...]
    empty: int
    varied: tuple[Measures, ...]


def main() -> None:
    """Fit, test and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder of shared data")
    parser.add_argument("--every", type=int, default=1, help="use every n-th real slice")
    arguments = parser.parse_args()
    start = time.process_time()
    real = list(real_series(arguments.shared / "data", arguments.every))
    measured = sum((len(one.found) + one.empty) * len(GAMMAS) for one in real)
    seconds = (time.process_time() - start) / measured
    fitted = list(phantom_series(FIT_SEED, GAMMAS))
    tested = list(phantom_series(TEST_SEED, (1.0,)))
    print(f"{seconds:.3f} s a slice (processor time, reading included)")
    show_typical(fit([*real, *fitted]))
    tables = {one.patient: fit([*without(real, one.patient), *fitted]) for one in real}
    report("real, patients left out of the fit", real, tables)
    report("phantoms of another seed", tested, dict.fromkeys({s.patient for s in tested}, TYPICAL))


def real_series(data: Path, every: int) -> Iterator[Series]:
    """Series of the labelled slices below the folder `data`."""
    paths = defaultdict(list)
    for path in sorted(data.glob("harvard-triples/images/*/MR*.png")):
        patient = path.parent.name.rsplit("-", 1)[0]
        paths[path.stem, patient, patient].append(path)
    for path in sorted(data.glob("harvard-pairs/*/*/MR.png")):
        kind, case = path.parts[-3], path.parent.name.rsplit("-", 1)[0]
        name = f"{kind}-{case}"
        truth = {"PET-MR": "MR-T1", "CT-MR": "MR-PD" if case == "2" else "MR-T2"}
        patient = "PET-MR" if kind == "PET-MR" else name  # three planes of one subject
        paths[truth.get(kind, "MR-T2"), patient, name].append(path)
    for (truth, patient, name), files in paths.items():
        images = [np.asarray(Image.open(path).convert("L")) for path in files[::every]]
        yield series(truth, patient, name, images, GAMMAS)


def phantom_series(seed: int, gammas: Sequence[float]) -> Iterator[Series]:
    """Series of virtual patients in all four weightings."""
    for number in range(1, PHANTOMS + 1):
        patient = draw_patient(seed, number, LESIONS)
        planes = [
            render(patient, index, WEIGHTINGS, 256)
            for index in plan_slices(patient, PHANTOM_SLICES)
        ]
        name = patient.name + ("+lesion" if patient.lesion else "")
        for truth, images in zip(WEIGHTINGS, zip(*planes, strict=True), strict=True):
            yield series(truth, name, f"{name}-{truth}", images, gammas)


def series(
    truth: str, patient: str, name: str, images: Sequence[np.ndarray], gammas: Sequence[float]
) -> Series:
    """Measure images, as they are and with other windows."""
    found, varied = [], []
    for image in images:
        for gamma in gammas:
            window = np.round(255 * (image / 255) ** gamma).astype(np.uint8)
            measures = measure(window)
            if measures is not None:
                varied.append(measures)
                found += [measures] if gamma == 1 else []
    return Series(truth, patient, name, tuple(found), len(images) - len(found), tuple(varied))


def without(known: Iterable[Series], patient: str) -> list[Series]:
    """All but the series of a patient."""
    return [one for one in known if one.patient != patient]


def fit(known: Sequence[Series]) -> Typical:
    """Centre and spread of each weighting; every real patient counts the same."""
    typical = {}
    for name in TYPICAL:
        values, weights = [], []
        chosen = [s for s in known if LOOKS_LIKE.get(s.truth, s.truth) == name and s.varied]
        for patient in {source(one) for one in chosen}:
            own = np.stack(
                [
                    logarithms(measures)
                    for one in chosen
                    if source(one) == patient
                    for measures in central(one.varied)
                ]
            )
            share = PHANTOM_WEIGHT if patient == "phantom" else 1.0
            values.append(own)
            weights.append(np.full(len(own), share / len(own)))
        rows, weight = np.concatenate(values), np.concatenate(weights)
        # Quantiles, as masks that missed the brain are outliers, which have a density of their own.
        low, middle, high = (
            np.quantile(rows, share, 0, weights=weight, method="inverted_cdf")
            for share in (0.16, 0.5, 0.84)
        )
        # Of the next patient: wider, the fewer are known.
        spread = (high - low) / 2 * math.sqrt((len(values) + 1) / (len(values) - 1))
        typical[name] = tuple(zip(middle.tolist(), spread.tolist(), strict=True))
    return typical


def source(one: Series) -> str:
    """Patient, or just "phantom" for all virtual ones."""
    return "phantom" if one.patient.startswith("phantom") else one.patient


def show_typical(typical: Typical) -> None:
    """Print the table as the module holds it."""
    print("TYPICAL of all real patients and the phantoms of the fit:")
    for name, shape in typical.items():
        print(f'    "{name}": (' + ", ".join(f"({m:.3f}, {s:.3f})" for m, s in shape) + "),")


def report(title: str, tested: Sequence[Series], tables: dict[str, Typical]) -> None:
    """Print confusion by slice and by series, the errors, and what confidences are worth."""
    print(f"\n== {title}: {len(tested)} series, {sum(len(s.found) for s in tested)} slices")
    print(f"   {sum(s.empty for s in tested)} more slices without a brain that could be made out")
    slices, whole = [], []
    for one in tested:
        if not one.found:
            print(f"   {one.name} {one.truth}: no slice of use")
            continue
        table = tables[one.patient]
        slices += [(one.truth, one, decide([measures], table)) for measures in one.found]
        whole.append((one.truth, one, decide(one.found, table)))
    for unit, answers in (("slice", slices), ("series", whole)):
        confusion(unit, [(truth, told) for truth, _, told in answers])
        reliability([(truth, told) for truth, _, told in answers])
    for truth, one, told in whole:
        if truth != told.modality or told.confidence < DOUBTFUL:
            values = ", ".join(f"{key} {value:.3g}" for key, value in told.measures.items())
            error = "WRONG" if truth != told.modality else "doubtful"
            print(f"   {error}: {one.name} {truth} {told.modality} {told.confidence:.2f} {values}")


def confusion(unit: str, answers: Sequence[tuple[str, Weighting]]) -> None:
    """Print how often each weighting was taken for which."""
    print(f"   by {unit}: true weighting by row, told by column")
    print(" " * 11 + "".join(f"{name:>8}" for name in WEIGHTINGS))
    for name in WEIGHTINGS:
        told = [answer.modality for truth, answer in answers if truth == name]
        if told:
            print(f"   {name:8}" + "".join(f"{told.count(other):8}" for other in WEIGHTINGS))
    right = np.mean([truth == told.modality for truth, told in answers])
    print(f"   right: {right:.1%}")


def reliability(answers: Sequence[tuple[str, Weighting]]) -> None:
    """Print the share of right answers by confidence."""
    edges = (0, 0.7, DOUBTFUL, 0.9, 0.97, 1.001)
    for low, high in itertools.pairwise(edges):
        inside = [(t, a) for t, a in answers if low <= a.confidence < high]
        if inside:
            right = np.mean([truth == told.modality for truth, told in inside])
            mean = np.mean([told.confidence for _, told in inside])
            print(
                f"   confidence {low:.2f} to {min(high, 1):.2f}: {len(inside):4}, "
                f"mean {mean:.2f}, right {right:.2f}"
            )


if __name__ == "__main__":
    main()
