"""Loading the images of a subset of the data into memory, as a `Batch`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.tensors import Batch
from tfsdiff.data.images import Pixels, read, to_unit
from tfsdiff.data.slices import Group, image_path, read_manifest
from tfsdiff.data.split import Part, read_split


@dataclass(frozen=True)
class Computed:
    """Computed groups and their truth as 8-bit images, a quarter of the room of a `Batch`.

    Attributes:
        groups: their names, N.
        modalities: of the three sources of each group.
        sources: uint8, (N, 3 sources, 3 channels, H, W).
        truth: uint8, (N, 3, H, W).
    """

    groups: tuple[str, ...]
    modalities: tuple[tuple[str, str, str], ...]
    sources: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, indices: Sequence[int]) -> Batch:
        """Some of the groups, in the order of `indices`: float32 in [0, 1]."""
        return Batch(
            tuple(self.groups[i] for i in indices),
            self.sources[list(indices)].float() / 255,
            self.truth[list(indices)].float() / 255,
            tuple(self.modalities[i] for i in indices),
        )


def groups_of(split_csv: Path, part: Part) -> tuple[str, ...]:
    """Names of the groups in one subset of a split, sorted.

    Raises:
        InputError: the split cannot be read, or the subset is empty.
    """
    names = tuple(sorted(place.group for place in read_split(split_csv) if place.part == part))
    if not names:
        raise InputError(f"{split_csv}: no group in part {part}; change the section split")
    return names


def select(folder: Path, split_csv: Path, part: Part) -> list[Group]:
    """Groups of an image folder that are in one subset of a split, sorted by name.

    Raises:
        InputError: folder or split cannot be read; the subset is empty, or the folder lacks some
            of its groups.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: does not exist; {_cure(folder)}")
    known = {group.group: group for group in read_manifest(folder)}
    names = groups_of(split_csv, part)
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"{folder}: no group {missing[0]}; {_cure(folder)}")
    return [known[name] for name in names]


def load_batch(folder: Path, groups: Sequence[Group], truth_folder: Path | None = None) -> Batch:
    """Load groups of an image folder, and their fused truth where `truth_folder` is given.

    Args:
        folder: image folder (`tfsdiff.data.slices`).
        groups: at least one, in the order wanted.
        truth_folder: folder of GROUP.png, of the size of the sources.

    Returns:
        float32 images in [0, 1], on the CPU.

    Raises:
        InputError: a file is missing, or sizes differ; names the file.
    """
    if not groups:
        raise ValueError("no groups to load")
    sources = [
        _image(image_path(folder, group, modality), folder)
        for group in groups
        for modality in group.modalities
    ]
    batch = _stack(sources).unflatten(0, (-1, 3))  # (B * 3, 3, H, W) to (B, 3, 3, H, W)
    truth = None
    if truth_folder is not None:
        paths = [truth_folder / f"{group.group}.png" for group in groups]
        truth = _stack([sources[0], *(_image(path, truth_folder) for path in paths)])[1:]
    names = tuple(group.group for group in groups)
    return Batch(names, batch, truth, tuple(group.modalities for group in groups))


def load_computed(folder: Path, truth_folder: Path, most: int | None = None) -> Computed | None:
    """Load computed groups and their truth, as the stage `synthesise` writes them.

    Args:
        folder: image folder; its manifest may have no row.
        truth_folder: folder of GROUP.png.
        most: load the first groups only; None: all.

    Returns:
        About 0.8 MB a group of 256 pixels; None where there is no group.

    Raises:
        InputError: a file is missing, or sizes differ; names the file.
    """
    groups = read_manifest(folder, allow_empty=True)[:most]
    if not groups:
        return None
    first = read(image_path(folder, groups[0], groups[0].modalities[0]))
    height, width = first.shape[:2]
    sources = torch.empty((len(groups), 3, 3, height, width), dtype=torch.uint8)
    truth = torch.empty((len(groups), 3, height, width), dtype=torch.uint8)
    for i, group in enumerate(groups):
        for j, modality in enumerate(group.modalities):
            path = image_path(folder, group, modality)
            sources[i, j] = _stored(path, folder, (height, width))
        path = truth_folder / f"{group.group}.png"
        truth[i] = _stored(path, truth_folder, (height, width))
    names = tuple(group.group for group in groups)
    return Computed(names, tuple(group.modalities for group in groups), sources, truth)


def _stored(path: Path, folder: Path, shape: tuple[int, int]) -> Tensor:
    """An image as uint8: (3, H, W), or (1, H, W) where it is grey."""
    if not path.is_file():
        raise InputError(f"{path}: does not exist; {_cure(folder)}")
    pixels: Pixels = read(path)
    if pixels.shape[:2] != shape:
        sizes = " and ".join(f"{width} x {height}" for height, width in (pixels.shape[:2], shape))
        raise InputError(f"{path}: differs in size from the other images: {sizes}")
    return torch.from_numpy(np.array(pixels)).view(*shape, -1).movedim(-1, 0)


def batches(folder: Path, groups: Sequence[Group], size: int) -> Iterator[Batch]:
    """Load groups of an image folder, at most `size` at a time."""
    for start in range(0, len(groups), size):
        yield load_batch(folder, groups[start : start + size])


def _image(path: Path, folder: Path) -> tuple[Path, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: does not exist; {_cure(folder)}")
    return path, to_unit(read(path))


def _stack(images: Sequence[tuple[Path, Tensor]]) -> Tensor:
    first_path, first = images[0]
    for path, image in images:
        if image.shape != first.shape:
            sizes = " and ".join(f"{one.shape[-1]} x {one.shape[-2]}" for one in (image, first))
            raise InputError(f"{path} and {first_path} differ in size: {sizes}")
    return torch.stack([image for _, image in images])


def _cure(folder: Path) -> str:
    return f"`dvc repro` runs the stage that makes {folder}"
