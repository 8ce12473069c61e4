"""Random number generators, each derived from a seed and from words that name its use.

Numbers drawn for one use do not depend on how many are drawn for another, nor on any order.
"""

import hashlib

import numpy as np
import torch


def derive(seed: int, *words: str | int) -> int:
    """Derive a 63-bit seed from `seed` and the words that name its use; stable across machines."""
    text = "\x1f".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *words: str | int) -> torch.Generator:
    """Make a CPU generator for one use, e.g. `generator(params.seed, "train", "sr3", 4)`."""
    return torch.Generator().manual_seed(derive(seed, *words))


def rng(seed: int, *words: str | int) -> np.random.Generator:
    """Make a NumPy generator for one use, e.g. `rng(params.seed, "phantom", patient)`."""
    return np.random.default_rng(derive(seed, *words))
