import torch

from tfsdiff.diffusion.padding import pad_to_multiple


def test_padding_repeats_the_border() -> None:
    x = torch.rand(1, 3, 5, 8)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 3, 8, 8)
    assert torch.equal(padded[..., :5, :], x)
    assert torch.equal(padded[..., 7, :], x[..., 4, :])
    assert pad_to_multiple(padded, 4) is padded
