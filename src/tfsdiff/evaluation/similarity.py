"""Similarity of groups.

Similarity of two images: Pearson's correlation of their pixels, in all three colours, after
reduction to 32 x 32. That leaves the anatomy and takes away noise and the finest folds, in which
even neighbouring slices differ. It is 1 for an image and itself. Gain and window change nothing: a
correlation is the same for all levels times a positive number plus another (as long as none of them
saturates).

Similarity of two groups: the mean over the modalities that both have. An image without contrast has
no correlation and counts as if it were not there. Where only one is shared, that one decides;
groups that share none are not comparable. All heads fill the same place in the same frame, so
slices of different patients correlate as well: a similarity is informative in comparison with that
under another split, not by itself.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.data.images import read, to_unit
from tfsdiff.data.resample import resize
from tfsdiff.data.slices import Group, image_path
from tfsdiff.evaluation.leakage import PIXELS


def similarities(folder: Path, groups: Sequence[Group]) -> Tensor:
    """Compare all groups of an image folder with each other.

    Returns:
        float64 (N, N), symmetric, in [-1, 1]; NaN where two groups are not comparable.

    Raises:
        InputError: an image is missing or unreadable; names the file.
    """
    total = torch.zeros(len(groups), len(groups), dtype=torch.float64)
    shared = torch.zeros_like(total)
    for modality in sorted({modality for group in groups for modality in group.modalities}):
        having = torch.tensor([i for i, one in enumerate(groups) if modality in one.modalities])
        images = torch.stack(list(_reduced(folder, [groups[i] for i in having], modality)))
        found = correlation(images)
        block = having[:, None], having[None, :]
        total[block] += found.nan_to_num(0)
        shared[block] += ~found.isnan()
    return total / shared  # 0 / 0 is NaN


def correlation(images: Tensor) -> Tensor:
    """Pearson's correlation of every image with every other.

    Args:
        images: (N, ...), of any range.

    Returns:
        float64 (N, N) in [-1, 1]; NaN in the rows and columns of images without contrast.
    """
    values = images.flatten(1).double()
    flat = values.amax(1) == values.amin(1)
    values = values - values.mean(1, keepdim=True)
    values = values / values.norm(dim=1, keepdim=True)
    values[flat] = torch.nan
    return (values @ values.T).clamp(-1, 1)


def _reduced(folder: Path, groups: Sequence[Group], modality: str) -> Iterator[Tensor]:
    for group in groups:
        yield resize(to_unit(read(image_path(folder, group, modality))), PIXELS)
