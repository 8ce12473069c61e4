"""The metrics, one entry each: to add one, write its module and name it here.

All work on RGB in 0..255 and in float64 (LPIPS in float32). This list imports none of them, so that
tables can name the metrics without loading what computes them; `tfsdiff.metrics.score` does.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One column of the tables.

    Attributes:
        function: "module:function", of (fused[, reference[, network]]) to one value an image. The
            module also has SMALLEST_SIDE, in pixels, of the images that it can be computed on.
        better: whether a higher or a lower value is better.
        decimals: in printed tables.
        convention: what has to be known to compare the value with others.
        needs_reference: False where the fused image alone is looked at.
        needs_network: True where the function takes the network of LPIPS as well.
    """

    function: str
    better: Literal["higher", "lower"]
    decimals: int
    convention: str
    needs_reference: bool = True
    needs_network: bool = False


# fmt: off
METRICS = {
    "AG": Metric(
        "tfsdiff.metrics.gradient:average_gradient", "higher", 3,
        "mean of sqrt((dx^2 + dy^2) / 2), forward differences, mean over R, G, B; 0..255",
        needs_reference=False,
    ),
    "MSE": Metric(
        "tfsdiff.metrics.error:mse", "lower", 1, "over all pixels and channels, 0..255"
    ),
    "VIF": Metric(
        "tfsdiff.metrics.vif:vif", "higher", 4,
        "pixel domain, 4 scales, sigma_n^2 = 2, luminance 0..255",
    ),
    "SSIM": Metric(
        "tfsdiff.metrics.ssim:ssim", "higher", 4,
        "Gaussian 11 x 11, sigma 1.5, range 255, windows inside the image, mean over R, G, B",
    ),
    "PSNR": Metric(
        "tfsdiff.metrics.error:psnr", "higher", 2,
        "10 log10(255^2 / MSE) in dB, infinite for equal images",
    ),
    "LPIPS": Metric(
        "tfsdiff.metrics.lpips:lpips", "lower", 4, "AlexNet, v0.1, inputs in [-1, 1]",
        needs_network=True,
    ),
    "MAE": Metric(
        "tfsdiff.metrics.error:mae", "lower", 2, "over all pixels and channels, 0..255"
    ),
    "RMSE": Metric(
        "tfsdiff.metrics.error:rmse", "lower", 2, "root of the MSE of one image, 0..255"
    ),
}
# fmt: on
