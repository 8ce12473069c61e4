"""Finding the head in an image, and fitting the head of one image to that of another."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BACKGROUND = 0.08  # level below which a pixel is taken for air
LEAST_SIDE = 0.3  # of a bounding box, as a share of the image: less is no section of a head
BRIGHT = 0.4  # share of the highest uptake above which it is of the brain, not of the scalp
BAND = 0.01  # width of the border at which a cut is looked for, as a share of the image
COMPARED = 32  # pixels of the side to which heads are reduced before they are compared


@dataclass(frozen=True)
class Head:
    """The head in an image.

    Attributes:
        mask: (H, W), the head with all that it encloses.
        box: first and last row, first and last column of the mask.
    """

    mask: np.ndarray
    box: tuple[int, int, int, int]

    @property
    def sides(self) -> np.ndarray:
        """Height and width of the box, in pixels."""
        top, bottom, left, right = self.box
        return np.array([bottom - top + 1, right - left + 1], float)

    @property
    def corner(self) -> np.ndarray:
        """First row and column of the box."""
        return np.array([self.box[0], self.box[2]], float)


def find(image: np.ndarray) -> Head | None:
    """The head in a grey image (H, W) in [0, 1]; None where nothing is large enough for one."""
    side = len(image)
    # The skull is as dark as air, and parts a thin scalp from the brain: closing bridges it, what
    # they enclose is filled, and only then can opening take away what is thin.
    margin = side // 8
    smooth = ndimage.gaussian_filter(image, side / 128)  # the noise of air would be bridged, too
    mask = np.pad(smooth > BACKGROUND, margin)
    mask = ndimage.binary_closing(mask, iterations=max(1, round(side / 40)))
    mask = ndimage.binary_fill_holes(mask)[margin:-margin, margin:-margin]
    mask = ndimage.binary_opening(mask, iterations=max(1, round(side / 64)))
    pieces, count = ndimage.label(mask)
    if count == 0:
        return None
    mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    head = Head(mask, (rows[0], rows[-1], columns[0], columns[-1]))
    return head if head.sides.min() >= LEAST_SIDE * side else None


def depth(head: Head) -> np.ndarray:
    """Distance of each pixel from the surface of the head, as a share of the side; 0 outside."""
    return ndimage.distance_transform_edt(head.mask) / len(head.mask)


def fitted(image: np.ndarray, head: Head, target: Head) -> np.ndarray:
    """Move and stretch `image` (H, W), so that the box of `head` comes to lie on that of `target`.

    Interpolates linearly, which suits smooth functional images; what was outside is 0.
    """
    stretch = head.sides / target.sides
    # Corners of boxes are corners of pixels, half a pixel before their centres.
    offset = head.corner - 0.5 - stretch * (target.corner - 0.5)
    return ndimage.affine_transform(image, stretch, offset, order=1)


def inside(uptake: np.ndarray, head: Head) -> float:
    """Share of the bright pixels of an uptake (H, W) that lie in the head; 0 where none is."""
    bright = uptake > BRIGHT * uptake.max()
    return float(head.mask[bright].mean()) if uptake.any() else 0.0


def cut_share(uptake: np.ndarray) -> float:
    """Largest share of the extent of an uptake (H, W) that lies at one of its four sides.

    In a disc of radius r it is about sqrt(2 * 2.5 / r), 0.25 at 80 pixels; where the field of view
    has cut the head, it is above 0.5.
    """
    pieces, count = ndimage.label(uptake > BACKGROUND)
    if count == 0:
        return 0.0
    mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    band = max(1, round(BAND * len(uptake)))
    lines = (inside[:band], inside[-band:], inside[:, :band].T, inside[:, -band:].T)
    return float(max(line.any(0).mean() for line in lines))


@dataclass(frozen=True)
class Portrait:
    """What heads are compared by.

    Attributes:
        head: where it lies.
        image: (COMPARED, COMPARED), the MR image in the box of the head.
        mask: the same of the mask.
    """

    head: Head
    image: np.ndarray
    mask: np.ndarray


def portrait(mr: np.ndarray) -> Portrait | None:
    """Reduce the head of an MR image (H, W); None where there is none."""
    head = find(mr)
    if head is None:
        return None
    scale = head.sides / COMPARED
    offset = head.corner + (scale - 1) / 2
    image, mask = (
        ndimage.affine_transform(pixels, scale, offset, (COMPARED, COMPARED), order=1)
        for pixels in (ndimage.gaussian_filter(mr, scale / 2), head.mask.astype(float))
    )
    return Portrait(head, image, mask)


def similarity(one: Portrait, other: Portrait) -> float:
    """How alike two heads are once they are fitted, at most 2.

    The overlap of the outlines (Dice) plus the strength of the correlation of the images in the
    box, whatever its sign, as they may be weighted differently; less what the fit has to stretch.
    """
    dice = 2 * np.minimum(one.mask, other.mask).sum() / (one.mask.sum() + other.mask.sum())
    correlation = np.corrcoef(one.image.ravel(), other.image.ravel())[0, 1]
    stretch = np.abs(np.log(one.head.sides / other.head.sides)).sum()
    return float(dice + np.abs(correlation) - stretch)
