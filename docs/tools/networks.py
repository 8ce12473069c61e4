"""Draw the network of each learned method as a profile configures it, and the flow of the others.

What a diagram of a network shows is read off the network: it is built on torch's device `meta` with
the parameters of the profile, and evaluated once while hooks note the shapes. Diagrams of methods
without a network describe their code. `python docs/tools/networks.py` writes them all to
docs/figures; `--check` writes nothing and exits 1 naming those that would change.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import configured
from configured import ROOT
from drawing import INK, LEADING, MARGIN, MUTED, WIDTH, Drawing
from tfsdiff.methods.cddfuse.network import CDDFuse
from tfsdiff.methods.conditional import blocks
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.methods.ddfm import network as guided
from tfsdiff.methods.ddfm.network import GuidedUNet
from tfsdiff.methods.tgfuse.network import Generator
from tfsdiff.report.cost_table import quantity
from tfsdiff.report.labels import method_label

FIGURES = ROOT / "docs/figures"
PROFILE = "paper"
SIDE = 256  # pixels of the images that go in
BASE, DETAIL = "#3b7489", "#438752"  # colours of the arrows of the two branches of CDDFuse


def size(module: nn.Module) -> str:
    """Number of parameters, three digits of it."""
    return quantity(configured.count(module), "").strip()


def shape(tensor: Tensor) -> str:
    """Channels, height and width."""
    return " × ".join(map(str, tensor.shape[1:]))


def evaluated(network: nn.Module, side: int) -> dict[str, Tensor]:
    """Outputs of all modules that return a tensor, by name, of one evaluation."""
    outputs: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                outputs[name] = output

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            outputs[""] = network(*configured.inputs(network, side))
    finally:
        for handle in handles:
            handle.remove()
    return outputs


# ---------------------------------------------------------------------------------------------
# U-Nets


@dataclass
class Level:
    """Blocks of one resolution, on the way down or up.

    Attributes:
        output: of its last block.
        residual: number of residual blocks.
        attention: number of blocks of attention.
        parameters: of its blocks, without what halves or doubles the resolution.
    """

    output: Tensor | None = None
    residual: int = 0
    attention: int = 0
    parameters: int = 0

    def lines(self) -> tuple[str, ...]:
        """What the box of the level says."""
        blocks = f"{self.residual} residual"
        if self.attention:
            blocks += ", attention"
        return shape(self.output), blocks, f"{quantity(self.parameters, '').strip()} parameters"


@dataclass
class UNet:
    """What a diagram of a U-Net shows.

    Attributes:
        down: levels from the largest resolution to the smallest.
        up: likewise, on the way up.
        middle: what is between them.
    """

    down: list[Level] = field(default_factory=list)
    up: list[Level] = field(default_factory=list)
    middle: nn.Module | None = None


RESIDUAL = (blocks.ResidualBlock, guided.ResidualBlock)
ATTENTION = (blocks.SelfAttention, guided.Attention)
RESAMPLING = (blocks.Downsample, blocks.Upsample)


def u_net(network: nn.Module, outputs: Mapping[str, Tensor], down: str, up: str) -> UNet:
    """Read the levels off a network whose ways down and up are the modules `down` and `up`."""
    found = UNet()
    for levels, name in ((found.down, down), (found.up, up)):
        by_side: dict[int, Level] = {}
        for path, module in network.get_submodule(name).named_modules():
            resamples = not isinstance(getattr(module, "resample", nn.Identity()), nn.Identity)
            if not isinstance(module, RESIDUAL + ATTENTION) or resamples:
                continue
            output = outputs[f"{name}.{path}"]
            level = by_side.setdefault(output.shape[-1], Level())
            level.output = output
            level.residual += isinstance(module, RESIDUAL)
            level.attention += isinstance(module, ATTENTION)
            level.parameters += configured.count(module)
        levels += [by_side[side] for side in sorted(by_side, reverse=True)]
    return found


def draw_levels(drawing: Drawing, y: float, net: UNet, middle: Sequence[str]) -> tuple:
    """Draw the U from `y` on; returns its first box, its last one, and its lower end."""
    width, indent, gap = 152, 7, 18
    left, right = [], []
    for number, (one, other) in enumerate(zip(net.down, net.up, strict=True)):
        x = MARGIN + indent * number
        kinds = ["attention" if level.attention else "convolution" for level in (one, other)]
        left.append(drawing.box(x, y, width, one.lines(), kinds[0]))
        right.append(drawing.box(WIDTH - x - width, y, width, other.lines(), kinds[1]))
        drawing.arrow(left[-1].right, right[-1].left, dashed=True, colour=MUTED)
        if number:
            drawing.arrow((left[-1].top[0], left[-2].bottom[1]), left[-1].top)
            drawing.arrow(right[-1].top, (right[-1].top[0], right[-2].bottom[1]))
        y = left[-1].bottom[1] + gap
    box = drawing.box((WIDTH - 200) / 2, y + 8, 200, middle, "attention")
    drawing.arrow(left[-1].bottom, (left[-1].bottom[0], box.left[1]), box.left)
    drawing.arrow(box.right, (right[-1].bottom[0], box.right[1]), right[-1].bottom)
    return left[0], right[0], box.bottom[1]


def conditional(network: ConditionalUNet, title: str, caption: str, name: str) -> str:
    """SR3 or TFS-Diff."""
    outputs = evaluated(network, SIDE)
    net = u_net(network, outputs, "downs", "ups")
    condition, noisy, _ = configured.inputs(network, SIDE)
    drawing = Drawing(name, title, caption)
    half = 152
    sources = "enlarged source" if condition.shape[1] == noisy.shape[1] else "enlarged sources"
    first = drawing.box(MARGIN, 58, half, (sources, shape(condition)), "image")
    noise = drawing.box(MARGIN + half + 10, 58, 132, ("noisy image", shape(noisy)), "image")
    y = first.bottom[1] + 18
    if network.gate != "none":
        gate = network.SE_block
        hidden, channels = gate.linear1.weight.shape
        x, width = (MARGIN, half) if network.gate == "sources" else (MARGIN, 2 * half - 2)
        lines = ("gate (TMFA)", f"{channels} → {hidden} → {channels}", f"{size(gate)} parameters")
        box = drawing.box(x, y, width, lines, "gate")
        drawing.arrow(first.bottom, (first.bottom[0], y))
        if network.gate == "all":
            drawing.arrow(noise.bottom, (noise.bottom[0], y))
        first, y = box, box.bottom[1] + 18
    stem = network.downs[0]
    lines = ("3 × 3 convolution", f"{stem.in_channels} → {stem.out_channels} channels")
    box = drawing.box(MARGIN, y, half, lines, "convolution")
    drawing.arrow((box.top[0], first.bottom[1]), box.top)
    if network.gate != "all":
        drawing.arrow(noise.bottom, (noise.bottom[0], box.right[1]), box.right)
    top = box.bottom[1] + 18
    middle = ("residual, attention, residual", shape(outputs["mid.1"]),
              f"{size(network.mid)} parameters")  # fmt: skip
    begin, end, bottom = draw_levels(drawing, top, net, (middle[1], middle[0], middle[2]))
    drawing.arrow(box.bottom, begin.top)
    lines = ("3 × 3 convolution", f"{net.up[0].output.shape[1]} → {outputs[''].shape[1]} channels")
    last = drawing.box(WIDTH - MARGIN - half, y, half, lines, "convolution")
    drawing.arrow(end.top, last.bottom)
    lines = ("prediction", shape(outputs[""]))
    result = drawing.box(WIDTH - MARGIN - half, 58, half, lines, "image")
    drawing.arrow(last.top, result.bottom)
    embedding = network.noise_level_mlp
    bottom = drawing.note(
        bottom + 14,
        (
            f"The noise level g enters every residual block through an embedding of "
            f"{network.settings.width} numbers",
            f"({size(embedding)} parameters). Dashed: the output of every block of the way down is "
            "joined to",
            "the input of one of the way up, which has one block more a level.",
        ),
    )
    bottom = drawing.legend(bottom + 4, KEY)
    return drawing.svg(bottom + 6)


KEY = (("convolution", "convolutions"), ("attention", "with attention"), ("gate", "gate"),
       ("image", "images"))  # fmt: skip


def prior(network: GuidedUNet, title: str, caption: str, name: str) -> str:
    """The prior of DDFM."""
    outputs = evaluated(network, SIDE)
    net = u_net(network, outputs, "input_blocks", "output_blocks")
    image, _ = configured.inputs(network, SIDE)
    drawing = Drawing(name, title, caption)
    width = 152
    first = drawing.box(MARGIN, 58, width, ("noisy image", shape(image)), "image")
    result = drawing.box(
        WIDTH - MARGIN - width, 58, width, ("noise, variance", shape(outputs[""])), "image"
    )
    if not network.settings.learned_variance:
        result = drawing.box(
            WIDTH - MARGIN - width, 58, width, ("noise", shape(outputs[""])), "image"
        )
    y = first.bottom[1] + 18
    channels = network.settings.width
    stem = drawing.box(
        MARGIN, y, width, ("3 × 3 convolution", f"3 → {channels} channels"), "convolution"
    )
    lines = ("3 × 3 convolution", f"{channels} → {outputs[''].shape[1]} channels")
    last = drawing.box(WIDTH - MARGIN - width, y, width, lines, "convolution")
    drawing.arrow(first.bottom, stem.top)
    drawing.arrow(last.top, result.bottom)
    middle = (shape(outputs["middle_block"]), "residual, attention, residual",
              f"{size(network.middle_block)} parameters")  # fmt: skip
    begin, end, bottom = draw_levels(drawing, stem.bottom[1] + 18, net, middle)
    drawing.arrow(stem.bottom, begin.top)
    drawing.arrow(end.top, last.bottom)
    bottom = drawing.note(
        bottom + 14,
        (
            f"An embedding of the step t ({4 * channels} numbers, {size(network.time_embed)} "
            "parameters) scales and shifts",
            "the second normalisation of every residual block. Further residual blocks, not",
            "counted above, halve and double the resolution. Dashed: the output of every block",
            "of the way down is joined to the input of one of the way up.",
        ),
    )
    bottom = drawing.legend(bottom + 4, [entry for entry in KEY if entry[0] != "gate"])
    return drawing.svg(bottom + 6)


# ---------------------------------------------------------------------------------------------
# CDDFuse and TGFuse


def decomposition(network: CDDFuse, title: str, caption: str, name: str) -> str:
    """CDDFuse."""
    outputs = evaluated(network, SIDE)
    encoder, decoder = network.DIDF_Encoder, network.DIDF_Decoder
    drawing = Drawing(name, title, caption)
    drawing.frame(
        6, 102, WIDTH - 12, 206, f"encoder, the same for all images: {size(encoder)}", 124
    )
    made: dict[str, list] = {"base": [], "detail": []}
    for number, x in enumerate((MARGIN, WIDTH / 2 + 6)):
        width = WIDTH / 2 - MARGIN - 6
        image = drawing.box(x, 58, width, (f"image {number + 1}: 1 × {SIDE} × {SIDE}",), "image")
        channels = encoder.patch_embed.proj.out_channels
        lines = ("3 × 3 convolution", f"1 → {channels} channels")
        stem = drawing.box(x, 126, width, lines, "convolution")
        lines = (
            f"{len(encoder.encoder_level1)} Restormer blocks",
            f"{shape(outputs['DIDF_Encoder.encoder_level1'])}, {size(encoder.encoder_level1)}",
        )
        trunk = drawing.box(x, stem.bottom[1] + 14, width, lines, "attention")
        drawing.arrow(image.bottom, stem.top)
        drawing.arrow(stem.bottom, trunk.top)
        y, part = trunk.bottom[1] + 14, (width - 8) / 2
        lines = ("base", "full 3 × 3", size(encoder.baseFeature))
        base = drawing.box(x, y, part, lines, "attention")
        nodes = len(encoder.detailFeature.net)
        lines = ("detail", f"{nodes} couplings", size(encoder.detailFeature))
        detail = drawing.box(x + part + 8, y, part, lines, "detail")
        for box in (base, detail):
            drawing.arrow((box.top[0], trunk.bottom[1]), box.top)
        made["base"].append(base)
        made["detail"].append(detail)
    y = 346
    wide = WIDTH / 2 - MARGIN - 6
    parts = (
        ("base", MARGIN, BASE, network.BaseFuseLayer, "attention"),
        ("detail", WIDTH / 2 + 6, DETAIL, network.DetailFuseLayer, "detail"),
    )
    layers = []
    for key, x, colour, layer, kind in parts:
        total = drawing.sign(x + wide / 2, y, "+")
        for box in made[key]:
            side = total.left if box.bottom[0] < total.top[0] else total.right
            drawing.arrow(box.bottom, side, colour=colour)
        lines = (f"fuse {key} features", f"{size(layer)} parameters")
        layers.append(drawing.box(x, y + 24, wide, lines, kind))
        drawing.arrow(total.bottom, layers[-1].top, colour=colour)
    y = layers[0].bottom[1] + 20
    drawing.frame(6, y, WIDTH - 12, 170, f"decoder: {size(decoder)}")
    x, width = 96, WIDTH - 192
    reduce, out = decoder.reduce_channel, decoder.output
    lines = ("joined, 1 × 1 convolution", f"{reduce.in_channels} → {reduce.out_channels} channels")
    joined = drawing.box(x, y + 22, width, lines, "convolution")
    for layer, colour in zip(layers, (BASE, DETAIL), strict=True):
        drawing.arrow(layer.bottom, (layer.bottom[0], joined.y), colour=colour)
    lines = (
        f"{len(decoder.encoder_level2)} Restormer blocks",
        f"{shape(outputs['DIDF_Decoder.encoder_level2'])}, {size(decoder.encoder_level2)}",
    )
    trunk = drawing.box(x, joined.bottom[1] + 10, width, lines, "attention")
    first, _, second = out
    lines = (f"two 3 × 3 convolutions: {first.in_channels} → {first.out_channels} → "
             f"{second.out_channels}",)  # fmt: skip
    end = drawing.box(x - 24, trunk.bottom[1] + 10, width + 48, lines, "convolution")
    drawing.arrow(joined.bottom, trunk.top)
    drawing.arrow(trunk.bottom, end.top)
    y += 170
    fused = drawing.box(x, y + 20, width, (f"fused: {shape(outputs[''])}",), "image")
    drawing.arrow(end.bottom, fused.top)
    drawing.text(x + width / 2 + 10, y + 14, "sigmoid, of the sum with the skip if any", 12,
                 colour=MUTED)  # fmt: skip
    bottom = drawing.note(fused.bottom[1] + 12, ("Numbers with k are parameters.",))
    bottom = drawing.legend(
        bottom + 4,
        (("convolution", "convolutions"), ("attention", "with channel attention"),
         ("detail", "coupling nodes"), ("image", "images")),
    )  # fmt: skip
    return drawing.svg(bottom + 4)


def transformers(network: Generator, title: str, caption: str, name: str) -> str:
    """The generator of TGFuse."""
    outputs = evaluated(network, SIDE)
    drawing = Drawing(name, title, caption)
    width, x_mask, mask_width, x_times, x_sum = 132, 196, 156, 388, 444
    image = drawing.box(MARGIN, 58, width, ("two images", f"2 × {SIDE} × {SIDE}"), "image")
    stem = drawing.box(MARGIN, image.bottom[1] + 14, width, ("1 × 1 convolution", "2 → 2"),
                       "convolution")  # fmt: skip
    drawing.arrow(image.bottom, stem.top)
    fused = drawing.box(WIDTH - MARGIN - 152, 58, 152, ("fused", shape(outputs[""])), "image")
    last = network.conv_out.conv2d
    lines = ("1 × 1 convolution", f"{last.in_channels} → {last.out_channels}")
    out = drawing.box(WIDTH - MARGIN - 152, fused.bottom[1] + 14, 152, lines, "convolution")
    drawing.arrow(out.top, fused.bottom)
    sums = ("↑m1 + ↑m2 + ↑m3", "↑m2 + ↑m3", "↑m3", "of the transformers")
    y, above, mask_above, sum_above = stem.bottom[1] + 20, stem, None, None
    for level, rule in enumerate(sums):
        encoder = network.get_submodule(f"en{level}")
        output = outputs[f"en{level}"]
        lines = (shape(output), "4 convolutions", f"x{level}: {size(encoder)}")
        box = drawing.box(MARGIN, y, width, lines, "convolution")
        drawing.arrow(above.bottom, box.top)
        side = output.shape[-1]
        mask = drawing.box(
            x_mask, y + 22, mask_width, (f"m{level}: 1 × {side} × {side}", rule), "gate"
        )
        times = drawing.sign(x_times, mask.right[1], "×")
        drawing.arrow(mask.right, times.left)
        drawing.arrow((box.right[0], y + 10), (x_times, y + 10), times.top)
        if level < len(sums) - 1:
            total = drawing.sign(x_sum, mask.right[1], "+")
            drawing.arrow(times.right, total.left)
        else:
            total = None
            drawing.arrow(times.right, (x_sum, mask.right[1]), sum_above.bottom)
        if mask_above is not None:
            drawing.arrow(mask.top, mask_above.bottom)
        if total is not None:
            drawing.arrow(total.top, sum_above.bottom if sum_above else (x_sum, out.bottom[1]))
        above, mask_above, sum_above, y = box, mask, total or sum_above, box.bottom[1] + 32
    y += 4
    channel, spatial = network.ctrans3, network.strans3
    half = WIDTH / 2 - MARGIN - 8
    tokens = outputs["ctrans3.en"]
    lines = (
        "channel transformer",
        f"{tokens.shape[1]} channels as tokens",
        f"of {channel.patch} × {channel.patch}, width {tokens.shape[2]}",
        f"{len(channel.en.blocks)} blocks, {size(channel)}",
    )
    first = drawing.box(MARGIN, y, half, lines, "attention")
    drawing.arrow(above.bottom, (above.bottom[0], y))
    tokens = outputs["strans3.en"]
    lines = (
        "spatial transformer",
        f"{tokens.shape[1]} patches as tokens",
        f"of {spatial.patch} × {spatial.patch}, width {tokens.shape[2]}",
        f"{len(spatial.en.blocks)} blocks, {size(spatial)}",
    )
    second = drawing.box(WIDTH - MARGIN - half, y, half, lines, "attention")
    drawing.arrow(first.right, second.left)
    drawing.arrow((mask_above.bottom[0] + 40, y), (mask_above.bottom[0] + 40, mask_above.bottom[1]))
    bottom = drawing.note(
        first.bottom[1] + 12,
        (
            "Down: halved by the mean of 2 × 2 pixels. ↑, and before every +: enlarged bilinearly",
            "to the size of what it is added to. Numbers with k and M are parameters.",
        ),
    )
    bottom = drawing.legend(
        bottom + 4,
        (("convolution", "convolutions"), ("attention", "transformers"), ("gate", "masks"),
         ("image", "images")),
    )  # fmt: skip
    return drawing.svg(bottom + 4)


# ---------------------------------------------------------------------------------------------
# Methods without a network, and what happens around that of DDFM


def flow_ddfm() -> str:
    """One step of the sampler of DDFM."""
    drawing = Drawing("flow-ddfm", "DDFM: one step of the sampler", "repeated at every noise level")
    x, width, edge = 118, 214, WIDTH - MARGIN - 6
    first = drawing.box(x, 60, width, ("noisy image at level t", "three channels"), "image")
    net = drawing.box(x, 120, width, ("prior: a U-Net", "predicts the noise"), "attention")
    clean = drawing.box(x, 180, width, ("estimate of the clean image",), "image")
    luma = drawing.box(x, 226, width, ("its luminance f",), "image")
    em = drawing.box(
        x, 272, width,
        ("EM step", "E: weights of both sources, scales", "M: luminance, total variation"),
        "gate",
    )  # fmt: skip
    new = drawing.box(x, 352, width, ("rectified estimate", "new luminance, same chroma"), "image")
    step = drawing.box(x, 412, width, ("sampler", "noisy image at the next level"), "convolution")
    boxes = (first, net, clean, luma, em, new, step)
    for one, other in itertools.pairwise(boxes):
        drawing.arrow(one.bottom, other.top)
    sources = drawing.box(MARGIN, 272, 92, ("sources", "luminances", "I and V"), "image")
    drawing.arrow(sources.right, (em.x, sources.right[1]))
    state = drawing.box(edge - 108, 272, 94, ("state", "two scales,", "gradient"), "detail")
    drawing.arrow((em.right[0], 288), (state.x, 288))
    drawing.arrow((state.x, 310), (em.right[0], 310))
    loop = (step.right, (edge, step.right[1]), (edge, first.right[1]), first.right)
    drawing.arrow(*loop, colour=MUTED)
    bottom = drawing.note(
        472,
        ("The last rectified estimate is the fused image. The state goes from step to step.",),
    )
    return drawing.svg(bottom + 8)


def flow_bitonicx() -> str:
    """BitonicX."""
    drawing = Drawing("flow-bitonicx", "BitonicX", "nothing is learned; call 1, then call 2")
    parts = (
        ("base", "maximum", "", "convolution"),
        ("coarse detail", "CNP network,", "majority vote", "gate"),
        ("fine detail", "PAPCNN network,", "more firings", "detail"),
    )
    drawing.frame(6, 54, WIDTH - 12, 262, "call 1: the anatomical images")
    top = drawing.box(90, 76, 300, ("anatomical image 1, anatomical image 2",), "image")
    split = drawing.box(90, 118, 300, ("bitonic filter, twice", "splits each image in three"),
                        "convolution")  # fmt: skip
    drawing.arrow(top.bottom, split.top)
    _choices(drawing, split, 178, parts)
    fused = drawing.box(110, 278, 260, ("sum: fused anatomical image",), "image")
    _collect(drawing, 178, parts, fused)
    drawing.frame(6, 334, WIDTH - 12, 262, "call 2: with the functional image")
    lines = ("fused anatomical image, luminance",)
    second = drawing.box(90, 356, 300, lines, "image")
    drawing.arrow(fused.bottom, second.top)
    split = drawing.box(90, 398, 300, ("bitonic filter, once", "splits each image in two"),
                        "convolution")  # fmt: skip
    drawing.arrow(second.bottom, split.top)
    parts = (
        ("base", "maximum", "", "convolution"),
        ("detail", "energy: gradient, clarity,", "majority vote", "gate"),
    )
    _choices(drawing, split, 458, parts)
    result = drawing.box(110, 558, 260, ("sum: fused luminance",), "image")
    _collect(drawing, 458, parts, result)
    end = drawing.box(110, 616, 260, ("fused image", "with the functional chroma"), "image")
    drawing.arrow(result.bottom, end.top)
    return drawing.svg(end.bottom[1] + 14)


def flow_ctsr() -> str:
    """CTSR."""
    drawing = Drawing("flow-ctsr", "CTSR", "both calls alike; the dictionary is learned or read")
    drawing.frame(6, 54, WIDTH - 12, 262, "a call: two grey images")
    lines = ("image 1, image 2",)
    top = drawing.box(90, 76, 300, lines, "image")
    lines = ("rolling guidance filter", "splits each image in two")
    split = drawing.box(90, 118, 300, lines, "convolution")
    drawing.arrow(top.bottom, split.top)
    parts = (
        ("structure", "the brighter one,", "if alike the sharper one", "convolution"),
        ("texture", "sparse codes of patches,", "the larger code", "detail"),
    )
    _choices(drawing, split, 178, parts)
    result = drawing.box(110, 278, 260, ("sum: fused grey image",), "image")
    _collect(drawing, 178, parts, result)
    half = WIDTH / 2 - MARGIN - 6
    first = drawing.box(
        MARGIN, 340, half, ("call 1", "anatomical image 1", "anatomical image 2"), "image"
    )
    second = drawing.box(
        WIDTH / 2 + 6, 340, half, ("call 2", "result of call 1", "functional luminance"), "image"
    )
    drawing.arrow(first.right, second.left)
    end = drawing.box(110, 422, 260, ("fused image", "with the functional chroma"), "image")
    drawing.arrow(second.bottom, (second.bottom[0], end.y))
    return drawing.svg(end.bottom[1] + 14)


def _columns(parts: Sequence[Any]) -> tuple[float, list[float]]:
    """Width and left sides of as many boxes as there are parts."""
    width = (WIDTH - 2 * MARGIN - 12 * (len(parts) - 1) - 8) / len(parts)
    return width, [MARGIN + 4 + (width + 12) * number for number in range(len(parts))]


def _choices(drawing: Drawing, above: Any, y: float, parts: Sequence[tuple[str, ...]]) -> None:
    """Boxes of the parts of images, and how one is chosen of two."""
    width, places = _columns(parts)
    for x, (name, *lines, kind) in zip(places, parts, strict=True):
        box = drawing.box(x, y, width, (name, *lines), kind)
        start = min(max(box.top[0], above.x + 12), above.x + above.width - 12)
        drawing.arrow((start, above.bottom[1]), box.top)


def _collect(drawing: Drawing, y: float, parts: Sequence[Any], total: Any) -> None:
    """Arrows from the boxes of `_choices` to what they add up to."""
    width, places = _columns(parts)
    bottom = y + LEADING * 3 + 11
    for x in places:
        middle = x + width / 2
        end = min(max(middle, total.x + 12), total.x + total.width - 12)
        drawing.arrow((middle, bottom), (end, total.y), colour=INK)


NETWORKS: dict[str, Callable[..., str]] = {
    "tfsdiff": conditional,
    "sr3": conditional,
    "cddfuse": decomposition,
    "tgfuse": transformers,
    "ddfm": prior,
}
FLOWS: dict[str, Callable[[], str]] = {
    "ddfm": flow_ddfm,
    "bitonicx": flow_bitonicx,
    "ctsr": flow_ctsr,
}


def draw(name: str, profile: str = PROFILE) -> str:
    """SVG of the network of a learned method as a profile configures it."""
    network = configured.network(name, profile)
    caption = f"profile {profile}: {configured.count(network):,} parameters; shapes are channels × "
    return NETWORKS[name](
        network, f"{method_label(name)}: network", f"{caption}height × width", f"network-{name}"
    )


def drawings(profile: str = PROFILE) -> Iterable[tuple[str, str]]:
    """File names and contents of all diagrams."""
    for name in NETWORKS:
        yield f"network-{name}.svg", draw(name, profile)
    for name, flow in FLOWS.items():
        yield f"flow-{name}.svg", flow()


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Draw the networks of the methods as SVG.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if any differs")
    parser.add_argument("--profile", default=PROFILE, help=f"whose parameters ({PROFILE})")
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder (docs/figures)")
    options = parser.parse_args(arguments)
    failed = False
    for file, text in drawings(options.profile):
        path = options.out / file
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        state = "is out of date: run python docs/tools/networks.py" if options.check else "written"
        print(f"{path.name} {state}")
        failed = failed or options.check
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
