"""Diagrams of networks: as committed, read off the modules, and within their boxes."""

from xml.etree import ElementTree

import pytest
import torch

import networks
from configured import count
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.params import UNet


@pytest.mark.slow
def test_committed_diagrams_are_what_the_tool_writes(capsys: pytest.CaptureFixture) -> None:
    assert networks.main(["--check"]) == 0, capsys.readouterr().out


@pytest.fixture
def small() -> ConditionalUNet:
    settings = UNet(
        width=4,
        multipliers=(1, 2),
        blocks=1,
        attention_level=1,
        groups=2,
        dropout=0.0,
        initialisation="kaiming",
    )
    with torch.device("meta"):
        return ConditionalUNet(9, settings, "sources", 3).eval()


def test_levels_are_those_of_the_network(small: ConditionalUNet) -> None:
    outputs = networks.evaluated(small, 8)
    net = networks.u_net(small, outputs, "downs", "ups")

    assert [tuple(level.output.shape) for level in net.down] == [(1, 4, 8, 8), (1, 8, 4, 4)]
    assert [tuple(level.output.shape) for level in net.up] == [(1, 4, 8, 8), (1, 8, 4, 4)]
    assert [(level.residual, level.attention) for level in net.down] == [(1, 0), (1, 1)]
    assert [(level.residual, level.attention) for level in net.up] == [(2, 0), (2, 2)]
    counted = sum(level.parameters for level in net.down)
    rest = (small.downs[0], small.downs[2])  # the first convolution, and what halves
    assert counted + sum(map(count, rest)) == count(small.downs)


def test_diagram_is_svg_that_names_gate_and_sizes(small: ConditionalUNet) -> None:
    text = networks.conditional(small, "A network", "of a test", "test")

    words = [element.text for element in ElementTree.fromstring(text).iter() if element.text]
    shape = f"4 × {networks.SIDE} × {networks.SIDE}"
    assert {"gate (TMFA)", "9 → 3 → 9", "12 → 4 channels", shape} <= set(words)


def test_text_wider_than_its_box_is_refused() -> None:
    drawing = networks.Drawing("test", "A drawing")
    with pytest.raises(ValueError, match="wider than its box of 40"):
        drawing.box(0, 0, 40, ("far too long for this",), "image")
