"""Labels of methods, and of the rows that they make."""

from collections.abc import Mapping

from tfsdiff.evaluation.rows import Row

METHODS = {
    "bicubic": "bicubic",
    "bitonicx": "BitonicX",
    "cddfuse": "CDDFuse",
    "copy": "one source",
    "ctsr": "CTSR",
    "ddfm": "DDFM",
    "least_squares": "least squares",
    "mean": "mean of sources",
    "sr3": "SR3",
    "tfsdiff": "TFS-Diff",
    "tfsdiff_guided": "TFS-Diff, guided",
    "tgfuse": "TGFuse",
}


def method_label(method: str, variants: Mapping[str, str] | None = None) -> str:
    """Name of a method for readers; what has no name here is shown under its own.

    Args:
        method: its name.
        variants: {name: name for readers} of the variants of methods, which the parameters define.
    """
    return (variants or {}).get(method) or METHODS.get(method, method)


def row_label(row: Row, variants: Mapping[str, str] | None = None) -> str:
    """Name of a row for readers, made of those of its methods; see `method_label`."""
    name = method_label(row.method, variants)
    if row.full:
        return f"{name}, full resolution"
    return name if row.enlarger is None else f"{method_label(row.enlarger, variants)} + {name}"
