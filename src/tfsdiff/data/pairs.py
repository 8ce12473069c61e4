"""Pairs of registered images: further training data for methods that fuse two images.

A pair folder is `manifest.csv` with the columns pair, case, slice and functional_or_ct (CT, PET or
SPECT), beside `PAIR/MR.png` and `PAIR/CT.png` (or PET, SPECT), 8 bit, registered and square.
"""

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.core.tensors import Pairs
from tfsdiff.data.images import Pixels, read, to_unit, write_png
from tfsdiff.data.slices import MANIFEST

MR, OTHERS = "MR", ("CT", "PET", "SPECT")


@dataclass(frozen=True)
class Pair:
    """One row of a manifest.

    Attributes:
        pair: path of its folder below that of the manifest.
        case: number or name of the patient in the atlas.
        slice: number of the slice.
        functional_or_ct: what lies beside the MR image: CT, PET or SPECT.
    """

    pair: str
    case: str
    slice: str
    functional_or_ct: str

    def __post_init__(self) -> None:
        if self.functional_or_ct not in OTHERS:
            raise ValueError(f"'{self.functional_or_ct}' is none of {', '.join(OTHERS)}")
        path = Path(self.pair)
        if path.is_absolute() or ".." in path.parts or not self.pair.strip():
            raise ValueError(f"pair '{self.pair}' is no folder below that of the manifest")

    @property
    def modalities(self) -> tuple[str, str]:
        """Names of its two images."""
        return MR, self.functional_or_ct


def read_pairs(folder: Path) -> list[Pair]:
    """Read the manifest of a pair folder; it may have no row.

    Raises:
        InputError: it is missing or wrong; the first problem, with its line.
    """
    path, names = folder / MANIFEST, [field.name for field in fields(Pair)]
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in names if name not in (reader.fieldnames or [])]
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}; add it")
            return [_pair(path, reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); set pairs.input to a pair folder, or "
            "pairs=none"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no CSV file in UTF-8 ({error})") from None


def _pair(path: Path, line: int, row: dict[str, str | None]) -> Pair:
    try:
        return Pair(**{field.name: (row[field.name] or "").strip() for field in fields(Pair)})
    except ValueError as error:
        raise InputError(f"{path} line {line}: {error}; correct it") from None


def without_patients(pairs: Iterable[Pair], patients: Collection[str]) -> list[Pair]:
    """Pairs but those of `patients` (the test subset); "case28" is the patient of case 28."""
    known = {patient.lower().removeprefix("case") for patient in patients}
    return [pair for pair in pairs if pair.case.lower().removeprefix("case") not in known]


def read_images(folder: Path, pair: Pair) -> tuple[Pixels, Pixels]:
    """Read the two images of a pair.

    Raises:
        InputError: one is missing or unreadable, or they differ in size or are not square.
    """
    first, second = (read(folder / pair.pair / f"{name}.png") for name in pair.modalities)
    if first.shape[:2] != second.shape[:2] or first.shape[0] != first.shape[1]:
        raise InputError(
            f"{folder / pair.pair}: images must be square and of one size, not {first.shape[:2]} "
            f"and {second.shape[:2]}"
        )
    return first, second


def write_pairs(folder: Path, items: Iterable[tuple[Pair, tuple[Pixels, Pixels]]]) -> None:
    """Write a pair folder, whole or not at all; an older one is replaced."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        written = []
        for pair, images in items:
            for name, image in zip(pair.modalities, images, strict=True):
                path = temporary / pair.pair / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_png(path, image)
            written.append(pair)
        with (temporary / MANIFEST).open("w", encoding="utf-8", newline="") as stream:
            names = [field.name for field in fields(Pair)]
            writer = csv.DictWriter(stream, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(asdict, sorted(written, key=lambda pair: pair.pair)))


def load_pairs(folder: Path) -> Pairs | None:
    """Load all pairs of a pair folder, float32 in [0, 1]; None where there are none.

    Raises:
        InputError: the folder is not as `write_pairs` writes it.
    """
    found = read_pairs(folder)
    if not found:
        return None
    images = torch.stack(list(_load(folder, found)))
    return Pairs(tuple(pair.pair for pair in found), images)


def _load(folder: Path, pairs: Iterable[Pair]) -> Iterator[Tensor]:
    for pair in pairs:
        yield torch.stack([to_unit(image) for image in read_images(folder, pair)])
