"""Lets a CUDA build of torchvision import beside a CPU build of torch.

The torchvision on the package index is compiled for CUDA. Beside a CPU torch its compiled
operators do not load, and its own registration code then fails at import. lpips needs torchvision
only for the layout of AlexNet, so the two operators that torchvision registers shapes for are
declared (without an implementation) when, and only when, the compiled ones cannot be loaded.
The package itself never imports torchvision: only the independent checks of the metrics do.
"""

import importlib.machinery
import pathlib
import sys


class _DeclareMissingOperators:
    """Import hook: acts once, just before torchvision is imported, and finds nothing itself."""

    library = None

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "torchvision" and cls.library is None:
            cls._prepare(importlib.machinery.PathFinder.find_spec(name))
        return None

    @classmethod
    def _prepare(cls, spec):
        if spec is None:
            return
        import torch

        try:
            torch.ops.load_library(str(pathlib.Path(spec.origin).with_name("_C.so")))
        except (OSError, ImportError):
            cls.library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                cls.library.define(
                    f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )


def install():
    """Put the hook in front of the import system; free until somebody imports torchvision."""
    if _DeclareMissingOperators not in sys.meta_path:
        sys.meta_path.insert(0, _DeclareMissingOperators)
