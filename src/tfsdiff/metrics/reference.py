"""Four metrics by other implementations, to compare ours with: `tfsdiff score --check`.

MSE, PSNR and SSIM are computed by scikit-image, with SSIM's options set to Wang et al. 2004, and
LPIPS by the package lpips. Both packages are imported when they are first needed.
"""

import importlib.metadata
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tfsdiff.core.tensors import SOURCES
from tfsdiff.metrics.lpips import Unavailable
from tfsdiff.metrics.score import Scores

# Largest relative deviation that rounding explains: sums of float64, and of float32 in a network.
TOLERANCES = {"MSE": 1e-9, "PSNR": 1e-9, "SSIM": 1e-6, "LPIPS": 1e-4}
SMALLEST = 1e-9  # no smaller difference counts: LPIPS of nearly equal images


class Compared(NamedTuple):
    """One value of ours beside that of another implementation.

    Attributes:
        metric, against: which value: the name in the registry; sources or truth.
        ours, theirs: the two values.
        by: what computed the other value, with its version.
    """

    metric: str
    against: str
    ours: float
    theirs: float
    by: str

    @property
    def deviation(self) -> float:
        """|ours - theirs| / |theirs|, 0 for equal values, infinite ones too."""
        if self.ours == self.theirs:
            return 0.0
        finite = self.theirs and math.isfinite(self.theirs)
        return abs(self.ours - self.theirs) / abs(self.theirs) if finite else math.inf

    @property
    def agrees(self) -> bool:
        """Whether rounding explains the deviation."""
        close = abs(self.ours - self.theirs) <= SMALLEST
        return close or self.deviation <= TOLERANCES[self.metric]


class Checks(NamedTuple):
    """Comparisons of one image's scores.

    Attributes:
        compared: one each metric and reference.
        not_checked: (metric, reason) of those that could not be compared.
    """

    compared: list[Compared]
    not_checked: list[tuple[str, str]]

    @property
    def deviating(self) -> list[str]:
        """What deviates by more than its tolerance, each in words."""
        return [
            f"{one.metric} to {one.against} is {one.ours:.9g}, but {one.theirs:.9g} by {one.by} "
            f"(tolerance {TOLERANCES[one.metric]:g} relative)"
            for one in self.compared
            if not one.agrees
        ]


def check(
    scores: Scores, fused: Tensor, references: Tensor, network: nn.Module | Unavailable
) -> Checks:
    """Compute MSE, PSNR, SSIM and LPIPS anew, and compare them with the first image of `scores`.

    Args:
        scores: of `fused`.
        fused: (3, H, W) in 0..255.
        references: (3, 3, H, W), the sources, or (4, 3, H, W) with the ground truth last.
        network: what `tfsdiff.metrics.lpips.load` gave; the other LPIPS takes its backbone.
    """
    compared, not_checked = [], []
    for name, metric in _others(network).items():
        if name in scores.empty:
            not_checked.append((name, scores.empty[name]))
        elif isinstance(metric, Unavailable):
            not_checked.append((name, metric.reason))
        else:
            by = f"{metric.package} {importlib.metadata.version(metric.package)}"
            values = [metric.function(fused, reference) for reference in references]
            theirs = {"sources": sum(values[:SOURCES]) / SOURCES}
            if len(values) > SOURCES:
                theirs["truth"] = values[SOURCES]
            for against, value in theirs.items():
                ours = scores.images[0][name][against]
                compared.append(Compared(name, against, ours, value, by))
    return Checks(compared, not_checked)


class _Other(NamedTuple):
    package: str
    function: Callable[[Tensor, Tensor], float]


def _others(network: nn.Module | Unavailable) -> dict[str, _Other | Unavailable]:
    others: dict[str, _Other | Unavailable] = {
        name: _Other("scikit-image", function) for name, function in _SKIMAGE.items()
    }
    lpips = network if isinstance(network, Unavailable) else _packaged(network)
    if isinstance(lpips, Unavailable):
        others["LPIPS"] = lpips
    else:
        others["LPIPS"] = _Other("lpips", lambda x, y: lpips(_scaled(x), _scaled(y)).item())
    return others


def _mse(fused: Tensor, reference: Tensor) -> float:
    from skimage.metrics import mean_squared_error

    return float(mean_squared_error(_pixels(reference), _pixels(fused)))


def _psnr(fused: Tensor, reference: Tensor) -> float:
    from skimage.metrics import peak_signal_noise_ratio

    with np.errstate(divide="ignore"):  # of equal images it is infinite
        return float(peak_signal_noise_ratio(_pixels(reference), _pixels(fused), data_range=255))


def _ssim(fused: Tensor, reference: Tensor) -> float:
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            _pixels(reference), _pixels(fused), data_range=255, channel_axis=2,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


_SKIMAGE = {"MSE": _mse, "PSNR": _psnr, "SSIM": _ssim}


def _packaged(network: nn.Module) -> nn.Module | Unavailable:
    """LPIPS as the package lpips builds it, with its heads, on the backbone of our `network`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls torchvision in its old way
            import lpips

            package = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    except (ImportError, OSError, RuntimeError) as error:
        # Most often: a torchvision that was built for another torch.
        reason = " ".join(str(error).split())
        return Unavailable(
            f"the package lpips cannot be imported beside torch {torch.__version__} ({reason}); "
            "install torch and torchvision from one index"
        )
    weights = network.state_dict()
    for slot, layer in enumerate(network.features, start=1):
        convolution = package.net.get_submodule(f"slice{slot}.{layer}")
        convolution.weight.data = weights[f"features.{layer}.weight"]
        convolution.bias.data = weights[f"features.{layer}.bias"]
    return package.requires_grad_(False)


def _pixels(image: Tensor) -> np.ndarray:
    return image.double().movedim(0, -1).numpy()


def _scaled(image: Tensor) -> Tensor:
    return image[None].float() / 127.5 - 1
