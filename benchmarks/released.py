"""Released networks beside ours: python benchmarks/released.py --tfsdiff DIR --cddfuse DIR.

    python benchmarks/released.py --tfsdiff DIR
    python benchmarks/released.py --cddfuse DIR --shared ../shared

DIR is a checkout of the released code, `XylonXu01/TFS-Diff` or `Zhaozixiang1228/MMIF-CDDFuse`; the
second needs the package einops. Both networks get the same random weights and images.

For TFS-Diff (128 to 256 pixels): the largest difference of the outputs for 256 pixels, in itself
and as a share of the largest output, over initialisations and noise levels; and the time of one
evaluation on one core. For CDDFuse: the PSNR
of the fused MR-T2 and functional luminance, in 8 bits, to what the released script makes of the
same files, with `rounding` none and input; also where the black of the functional image is a little
coloured.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from quirks import psnr
from torch import Tensor, nn

from tfsdiff.core.backend import CPU, Backend
from tfsdiff.core.tensors import luminance
from tfsdiff.data.images import read
from tfsdiff.methods import build
from tfsdiff.methods.cddfuse.method import PARTS, CDDFuse
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.params import UNet

PIXELS = 256
SIZES = UNet(
    width=64,
    multipliers=(1, 2, 4, 8, 8),
    blocks=2,
    attention_level=4,
    groups=32,
    dropout=0.2,
    initialisation="orthogonal",
)
GROUPS = ("case28-010", "case36-034", "petnormal-023")
BACKGROUNDS = ((0, 0, 0), (1, 0, 2), (3, 1, 0), (0, 0, 4))


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tfsdiff", type=Path, help="checkout of TFS-Diff")
    parser.add_argument("--cddfuse", type=Path, help="checkout of CDDFuse")
    parser.add_argument("--shared", type=Path, help="folder with data, for CDDFuse")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    np.seterr(divide="ignore")  # equal images: infinite PSNR
    if arguments.tfsdiff:
        compare_tfsdiff(arguments.tfsdiff)
    if arguments.cddfuse:
        compare_cddfuse(arguments.cddfuse, arguments.shared / "data/harvard-triples/images")


def compare_tfsdiff(checkout: Path) -> None:
    """Outputs of both U-Nets."""
    module = imported(checkout / "model/sr3_modules", "unet")
    print("TFS-Diff, weights, level: largest difference, share of the largest output, that output")
    for fill in (default, orthogonal, doubled, sines):
        torch.manual_seed(0)
        theirs = module.UNet(
            in_channel=12,
            norm_groups=32,
            inner_channel=64,
            channel_mults=SIZES.multipliers,
            attn_res=[16],
            res_blocks=2,
            dropout=0.2,
            image_size=PIXELS,
        ).eval()
        fill(theirs)
        ours = ConditionalUNet(9, SIZES, "all", 4).eval()
        ours.load_state_dict(theirs.state_dict())
        CPU.place(ours)  # in channels_last, as methods compute: convolutions sum in another order
        for level in (0.9, 0.05):
            condition, x = (
                2 * torch.rand(1, 9, PIXELS, PIXELS) - 1,
                torch.randn(1, 3, PIXELS, PIXELS),
            )
            g = torch.tensor([level], dtype=torch.float64)
            expected = theirs(torch.cat([condition, x], dim=1), g.float()[:, None])
            off, largest = (ours(condition, x, g) - expected).abs().max(), expected.abs().max()
            print(f"{fill.__name__:10} {level:4} {off:.1e} {off / largest:.1e} {largest:.1f}")

    both = torch.cat([condition, x], dim=1), g.float()[:, None]
    print(f"seconds: released {seconds(lambda: theirs(*both))}")
    for precision in ("float32", "bfloat16"):
        with Backend(torch.device("cpu"), precision).autocast():
            print(f"ours, {precision}: {seconds(lambda: ours(condition, x, g))}")


def seconds(call: Callable[[], object]) -> str:
    """Shortest processor time of three calls."""
    times = []
    for _ in range(3):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return f"{min(times):.2f}"


def default(network: nn.Module) -> None:
    """Weights of the constructor."""


def orthogonal(network: nn.Module) -> None:
    """Weights with which the released training begins."""
    for one in layers(network):
        nn.init.orthogonal_(one.weight)
        if one.bias is not None:
            one.bias.zero_()


def doubled(network: nn.Module) -> None:
    """Twice the weights of the constructor."""
    for one in layers(network):
        one.weight.mul_(2)


def sines(network: nn.Module) -> None:
    """Waves over the elements of each tensor, which give large outputs."""
    for index, (key, tensor) in enumerate(sorted(network.state_dict().items())):
        if tensor.is_floating_point():
            wave = 0.05 * torch.sin(0.1 * torch.arange(tensor.numel()).double() + index)
            plus = 1 if tensor.ndim == 1 and key.endswith("weight") else 0
            tensor.copy_(wave.view(tensor.shape) + plus)


def layers(network: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers."""
    return [one for one in network.modules() if isinstance(one, (nn.Conv2d, nn.Linear))]


def compare_cddfuse(checkout: Path, folder: Path) -> None:
    """Fused luminances."""
    for name in ("timm", "timm.models", "timm.models.layers"):  # imported there, but not used
        sys.modules[name] = ModuleType(name)
    vars(sys.modules["timm.models.layers"]).update(
        dict.fromkeys(("DropPath", "to_2tuple", "trunc_normal_"))
    )
    module = imported(checkout, "net")
    torch.manual_seed(0)
    parts = (
        module.Restormer_Encoder(),
        module.Restormer_Decoder(),
        module.BaseFeatureExtraction(dim=64, num_heads=8),
        module.DetailFeatureExtraction(num_layers=1),
    )
    methods = ours_of(dict(zip(PARTS, parts, strict=True)))
    print(
        "CDDFuse, group, black as RGB: PSNR to the released script [dB] by rounding, other pixels"
    )
    for name, background, visible, functional in cases(folder):
        expected = as_released(parts, *(cv2_grey(image) for image in (visible, functional)))
        line = [f"{name:14} {background!s:10}"]
        for rounding, method in methods.items():
            pair = (luminance(torch.from_numpy(x).float().movedim(2, 0) / 255)[None]
                    for x in (visible, functional))  # fmt: skip
            fused = np.floor(method.fuse_pair(*pair, []).numpy()[0, 0] * 255 + 0.5)
            other = int((fused != expected).sum())
            line.append(f"{rounding} {psnr(fused / 255, expected / 255):.1f} {other}")
        print("  ".join(line))


def ours_of(parts: dict[str, nn.Module]) -> dict[str, CDDFuse]:
    """Our method with the weights of the released `parts`, by its setting `rounding`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save({name: nn.DataParallel(part).state_dict() for name, part in parts.items()}, path)
        found = CDDFuse.import_released(path, None)
    methods = {}
    for rounding in ("none", "input"):
        methods[rounding] = build("cddfuse", found.settings | {"rounding": rounding}, None)
        methods[rounding].restore(found.tensors, found.values, CPU)
    return methods


def cases(folder: Path) -> Iterator[tuple[str, tuple[int, int, int], np.ndarray, np.ndarray]]:
    """Groups, the colour of their black, and 8-bit RGB of MR-T2 and of the functional image."""
    for name in GROUPS:
        visible = np.stack([read(folder / name / "MR-T2.png")] * 3, axis=-1)
        (path,) = (one for one in (folder / name).iterdir() if one.name[:2] in ("PE", "SP"))
        for colour in BACKGROUNDS:
            yield name, colour, visible, np.maximum(read(path), np.array(colour, np.uint8))


def cv2_grey(image: np.ndarray) -> np.ndarray:
    """Grey levels as the released reader has them: rounded float32 luminance."""
    return np.round(image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))


def as_released(parts: tuple[nn.Module, ...], *images: np.ndarray) -> np.ndarray:
    """8-bit levels (H, W) that the released script writes for two grey images."""
    encoder, decoder, base, detail = (part.eval() for part in parts)
    features = [encoder(torch.from_numpy(image)[None, None] / 255) for image in images]
    low, high = (sum(one[index] for one in features) for index in (0, 1))
    fused: Tensor = decoder(None, base(low), detail(high))[0]
    fused = (fused - fused.min()) / (fused.max() - fused.min())
    return np.floor(fused.numpy()[0, 0] * 255 + 0.5)


def imported(folder: Path, name: str) -> ModuleType:
    """The module `name` of `folder`."""
    sys.path.insert(0, str(folder))
    return importlib.import_module(name)


if __name__ == "__main__":
    main()
