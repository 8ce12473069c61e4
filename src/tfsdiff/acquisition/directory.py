"""Data source `directory`: a user's folder of registered groups, all checked before use.

The layout is that of an image folder (`tfsdiff.data.slices`): `manifest.csv` with the columns
group, combination, patient, slice, anatomical_1, anatomical_2, functional and, if wanted, source
and sha256; beside it `images/GROUP/MODALITY.png`, 8 bit. Anatomical images are grey (L), or RGB
with three equal channels; functional images are RGB, or grey, then repeated in three channels.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tfsdiff.common.errors import InputError
from tfsdiff.common.progress import progress
from tfsdiff.data.images import Pixels, read
from tfsdiff.data.slices import (
    MANIFEST,
    Group,
    checksum,
    image_path,
    parse_group,
    read_rows,
    with_channels,
)
from tfsdiff.params import DirectoryData

SHOWN_PROBLEMS = 20

Item = tuple[Group, tuple[Pixels, Pixels, Pixels]]


def read_directory(settings: DirectoryData) -> list[Item]:
    """Read and check all groups of the folder `settings.input`.

    Returns:
        Each group with its uint8 images (H, W), (H, W) and (H, W, 3), sides `settings.pixels`;
        ready for `tfsdiff.data.slices.write_folder`.

    Raises:
        InputError: what is wrong, one line for each problem, with file and line of the manifest.
    """
    folder = Path(settings.input)
    if not folder.is_dir():
        raise InputError(f"{folder}: no folder; set data.input to a folder with a {MANIFEST}")
    problems: list[str] = []
    items: list[Item] = []
    for line, group in _groups(folder, problems):
        images, found = _images(folder, group, settings.pixels)
        problems += [f"{folder / MANIFEST} line {line}: {problem}" for problem in found]
        items.append((group, images))
    if problems:
        raise InputError(_summary(folder, problems))
    return items


def _groups(folder: Path, problems: list[str]) -> Iterable[tuple[int, Group]]:
    # Yields the valid rows, and collects what is wrong with the others.
    lines: dict[str, int] = {}
    for line, row in progress(read_rows(folder), "reading groups"):
        try:
            group = parse_group(row)
            first = lines.setdefault(group.group.lower(), line)  # some file systems ignore case
            if first != line:
                raise ValueError(f"group '{group.group}' is also on line {first}")
        except ValueError as error:
            problems.append(f"{folder / MANIFEST} line {line}: {error}")
        else:
            yield line, group


def _images(folder: Path, group: Group, pixels: int) -> tuple[tuple[Pixels, ...], list[str]]:
    stored: list[Pixels] = []
    images: list[Pixels] = []
    problems: list[str] = []
    for modality in group.modalities:
        path = image_path(folder, group, modality)
        try:
            stored.append(_read_inside(folder, path))
            images.append(with_channels(modality, stored[-1]))
        except InputError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    paths = [image_path(folder, group, modality) for modality in group.modalities]
    if not problems:
        problems = _size_problems(paths, images, pixels)
    if not problems and group.sha256 and checksum(stored) != group.sha256.lower():
        problems = [f"the images in {paths[0].parent} do not have sha256 {group.sha256}"]
    return tuple(images), problems


def _read_inside(folder: Path, path: Path) -> Pixels:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: is a link out of the folder; copy the file")
    return read(path)


def _size_problems(paths: Sequence[Path], images: Sequence[Pixels], pixels: int) -> list[str]:
    sizes = [image.shape[1::-1] for image in images]
    if len(set(sizes)) > 1:
        listed = ", ".join(
            f"{path.name} {width} x {height}"
            for path, (width, height) in zip(paths, sizes, strict=True)
        )
        return [f"the images in {paths[0].parent} differ in size: {listed}"]
    width, height = sizes[0]
    if (width, height) != (pixels, pixels):
        wanted = f"{pixels} x {pixels} (data.pixels)"
        return [f"the images in {paths[0].parent} are {width} x {height}, not {wanted}"]
    return []


def _summary(folder: Path, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    lines = [f"{folder}: {len(problems)} problems", *problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
