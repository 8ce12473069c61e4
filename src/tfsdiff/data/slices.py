"""Groups of three registered images, and the image folder that holds them.

An image folder is `manifest.csv` beside `images/GROUP/MODALITY.png`. The pipeline keeps all its
images in such folders; so does the data source `directory`.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tfsdiff.common.errors import InputError
from tfsdiff.common.files import replacing
from tfsdiff.data.images import Pixels, write_png

MANIFEST = "manifest.csv"
# Grey. The order is that of the slots: of two anatomical images, the one that stands first here is
# anatomical 1. Names of combinations, groups of the atlas and of the phantom, and the visible slot
# of methods for two images follow it. Why this one: "Order of the slots" in docs/data/index.md.
ANATOMICAL = ("CT", "MR-PD", "MR-T1", "MR-Gad", "MR-T2")
FUNCTIONAL = ("PET-FDG", "SPECT-Tc", "SPECT-Tl")  # RGB, in the colour map of the atlas
MODALITIES = ANATOMICAL + FUNCTIONAL
OPTIONAL_COLUMNS = ("source", "sha256")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Group:
    """One row of a manifest.

    Attributes:
        group: name, unique in its folder; letters, digits, ".", "_" and "-".
        combination: the three modalities joined by "_".
        patient: name; all slices of a patient belong in one subset of the data.
        slice: number of the slice; neighbours have neighbouring numbers.
        anatomical_1, anatomical_2, functional: modalities.
        source: where the images come from, in words.
        sha256: first 16 hex digits of the SHA-256 of the bytes of the three arrays, or empty.
    """

    group: str
    combination: str
    patient: str
    slice: int
    anatomical_1: str
    anatomical_2: str
    functional: str
    source: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        _check_name(self.group)
        if not self.patient.strip():
            raise ValueError("patient is empty")
        for slot in ("anatomical_1", "anatomical_2", "functional"):
            _check_modality(slot, getattr(self, slot))
        if self.anatomical_1 == self.anatomical_2:
            raise ValueError(f"anatomical_1 and anatomical_2 are both {self.anatomical_1}")
        if self.combination != "_".join(self.modalities):
            wanted = "_".join(self.modalities)
            raise ValueError(f"combination is '{self.combination}', its modalities say '{wanted}'")

    @property
    def modalities(self) -> tuple[str, str, str]:
        """The three modalities, in the order of the sources."""
        return self.anatomical_1, self.anatomical_2, self.functional


def in_order(first: str, second: str) -> bool:
    """Whether two different anatomical modalities stand in the order of the slots."""
    return ANATOMICAL.index(first) < ANATOMICAL.index(second)


COLUMNS = tuple(field.name for field in fields(Group))


def image_path(folder: Path, group: Group, modality: str) -> Path:
    """Where the image folder `folder` keeps an image of `group`."""
    return folder / "images" / group.group / f"{modality}.png"


def checksum(images: Sequence[Pixels]) -> str:
    """First 16 hex digits of the SHA-256 of the bytes of `images`, in their order."""
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]


def with_channels(modality: str, image: Pixels) -> Pixels:
    """Give an 8-bit image the channels of its modality: (H, W), or (H, W, 3) where functional.

    Raises:
        ValueError: an anatomical image is coloured.
    """
    if modality in FUNCTIONAL:
        return image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
    if image.ndim == 2:
        return image
    if (image != image[..., :1]).any():
        raise ValueError(f"is coloured, but {modality} must be grey")
    return np.ascontiguousarray(image[..., 0])


def parse_group(row: Mapping[str, str]) -> Group:
    """Make a `Group` of the fields of a manifest row.

    Raises:
        ValueError: says in words what is wrong with the row.
    """
    if None in row:
        raise ValueError("more fields than the header has columns")
    missing = [name for name in COLUMNS if row.get(name, "") is None]
    if missing:
        raise ValueError(f"no field for {', '.join(missing)}")
    values = {name: row[name].strip() for name in COLUMNS if name in row}
    if not re.fullmatch(r"-?[0-9]{1,9}", values["slice"]):
        raise ValueError(f"slice '{values['slice']}' is no integer")
    return Group(**(values | {"slice": int(values["slice"])}))


def read_rows(folder: Path, allow_empty: bool = False) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of the manifest in `folder`, each with its line number.

    Raises:
        InputError: the manifest is missing, unreadable or lacks a column; or it has no row, unless
            `allow_empty`.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no CSV file in UTF-8 ({error})") from None
    _check_header(path, header)
    if not rows and not allow_empty:
        raise InputError(f"{path}: has no row; add one for each group")
    return rows


def read_manifest(folder: Path, allow_empty: bool = False) -> list[Group]:
    """Read the groups of an image folder; none is an error, unless `allow_empty`.

    Raises:
        InputError: the manifest is missing or wrong; the first problem, with its line.
    """
    groups = []
    for line, row in read_rows(folder, allow_empty):
        try:
            groups.append(parse_group(row))
        except ValueError as error:
            raise InputError(f"{folder / MANIFEST} line {line}: {error}") from None
    return groups


def write_folder(
    folder: Path,
    items: Iterable[tuple[Group, Sequence[Pixels]]],
    notes: Mapping[str, str] = MappingProxyType({}),
    allow_empty: bool = False,
) -> None:
    """Write an image folder, whole or not at all; an older one is replaced.

    The manifest is sorted by group and its checksums are those of the images written, so the same
    items give the same bytes in whatever order they come.

    Args:
        folder: the image folder.
        items: groups, each with its three uint8 images: (H, W), (H, W) and (H, W, 3), of one size.
        notes: texts to write beside the manifest, by the name of their file.
        allow_empty: write a manifest without rows where there is no group; else that is an error.
    """
    written: dict[str, Group] = {}
    with replacing(folder) as temporary:
        temporary.mkdir()
        for group, images in items:
            if group.group in written:
                raise ValueError(f"group {group.group} comes twice")
            _check_images(group, images)
            for modality, image in zip(group.modalities, images, strict=True):
                write_png(image_path(temporary, group, modality), image)
            written[group.group] = replace(group, sha256=checksum(images))
        if not written and not allow_empty:
            raise ValueError(f"no group to write to {folder}")
        _write_manifest(temporary / MANIFEST, [written[name] for name in sorted(written)])
        for name, text in notes.items():
            (temporary / name).write_text(text, encoding="utf-8")


def _write_manifest(path: Path, groups: Iterable[Group]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(group) | {"slice": f"{group.slice:03d}"} for group in groups)


def _check_header(path: Path, header: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in header and name not in OPTIONAL_COLUMNS]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; found: {', '.join(header)}")
    twice = [name for name in COLUMNS if list(header).count(name) > 1]
    if twice:
        raise InputError(f"{path}: more than one column {', '.join(twice)}")


def _check_name(name: str) -> None:
    if "/" in name or "\\" in name or name in (".", ".."):
        raise ValueError(f"group '{name}' leaves the folder; a group is a plain folder name")
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise ValueError(f"group '{name}' must be 1 to 100 letters, digits, '.', '_' or '-'")


def _check_modality(slot: str, modality: str) -> None:
    allowed = FUNCTIONAL if slot == "functional" else ANATOMICAL
    if modality not in MODALITIES:
        raise ValueError(f"{slot} '{modality}' is unknown; known are {', '.join(MODALITIES)}")
    if modality not in allowed:
        raise ValueError(f"{slot} '{modality}' must be one of {', '.join(allowed)}")


def _check_images(group: Group, images: Sequence[Pixels]) -> None:
    height, width = images[0].shape[:2]
    shapes = [image.shape for image in images]
    if shapes != [(height, width), (height, width), (height, width, 3)]:
        raise ValueError(
            f"{group.group}: images must be two grey and one RGB of one size: {shapes}"
        )
