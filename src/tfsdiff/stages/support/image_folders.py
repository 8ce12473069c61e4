"""Operations on folders of images that several stages share."""

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor

from tfsdiff.common.files import replacing
from tfsdiff.common.progress import progress
from tfsdiff.core.tensors import luminance
from tfsdiff.data.images import Pixels, read, to_8bit, to_unit, write_png
from tfsdiff.data.slices import image_path, read_manifest, write_folder


def map_folder(source: Path, out: Path, function: Callable[[Tensor], Tensor], title: str) -> None:
    """Apply `function` (images (1, 3, H, W) in [0, 1]) to every image of an image folder."""
    groups = read_manifest(source)
    write_folder(
        out,
        (
            (group, [_map(image_path(source, group, name), function) for name in group.modalities])
            for group in progress(groups, title)
        ),
    )


def _map(path: Path, function: Callable[[Tensor], Tensor]) -> Pixels:
    pixels = read(path)
    image = to_8bit(function(to_unit(pixels)[None])[0])
    return image if pixels.ndim == 3 else image[..., 0]


def source_pixels(sources: Tensor) -> list[Pixels]:
    """8-bit images of the sources (3, 3, H, W) of one group; anatomical ones as grey luminance."""
    anatomical_1, anatomical_2, functional = sources
    greys = [to_8bit(luminance(image)[0]) for image in (anatomical_1, anatomical_2)]
    return [*greys, to_8bit(functional)]


def write_fused(out: Path, images: Iterator[tuple[str, Tensor]]) -> None:
    """Write fused images (3, H, W) in [0, 1] as out/GROUP.png, all or none."""
    with replacing(out) as temporary:
        temporary.mkdir()
        for group, image in images:
            write_png(temporary / f"{group}.png", to_8bit(image))
