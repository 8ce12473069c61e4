"""Images and numbers from the command line, checked."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.data.images import read_any


def read_registered(paths: Sequence[Path], cure: str) -> Tensor:
    """Read images of one size as RGB (N, 3, H, W) in [0, 1].

    Raises:
        InputError: a file is no image, or sizes differ; `cure` says what to do then.
    """
    images = [read_any(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            sizes = [f"{one.shape[-1]} x {one.shape[-2]}" for one in (images[0], image)]
            raise InputError(f"{paths[0]} is {sizes[0]} but {path} is {sizes[1]} pixels; {cure}")
    return torch.stack(images)


def whole(option: str, least: int) -> Callable[[str], int]:
    """Make the argparse type of a whole number of at least `least`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise InputError(f"{option}: '{text}' is no whole number of at least {least}")
        return value

    return parse
