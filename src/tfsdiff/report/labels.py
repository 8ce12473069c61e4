"""Rows of the tables, and their names for readers."""

from collections.abc import Sequence

ENLARGER = "-"  # between the fuser and the enlarger in front of it
FULL = "full"  # stands for the enlarger where nothing was reduced

LABELS = {
    "bicubic": "bicubic",
    "bitonicx": "BitonicX",
    "cddfuse": "CDDFuse",
    "copy": "one source",
    "ctsr": "CTSR",
    "ddfm": "DDFM",
    "mean": "mean of sources",
    "sr3": "SR3",
    "tfsdiff": "TFS-Diff",
    "tgfuse": "TGFuse",
    "tfsdiff_no_tmfa": "w/o TMFA",
    "tfsdiff_no_psf": "w/o PSF",
    "tfsdiff_gate_all": "gate on the noisy image too",
    "tfsdiff_l1": "L1 noise objective",
    "tfsdiff_psf_uniform": "PSF, all levels alike",
    "tfsdiff_psf_released": "PSF as released, eps",
    "tfsdiff_eps": "predicts eps",
    "tfsdiff_v": "predicts v",
    "tfsdiff_x0": "predicts the image",
    "tfsdiff_residual": "predicts the residual to the maximum",
    "tfsdiff_residual_mean": "predicts the residual to the mean",
    "tfsdiff_regression": "regression, no diffusion",
}

TITLES = {
    1: "Table 1: fusion with super-resolution.",
    2: "Table 2: ablations of TFS-Diff.",
}


def label(row: str) -> str:
    """Name of a row for readers; what has no name here is shown under its own."""
    fuser, found, enlarger = row.partition(ENLARGER)
    if not found:
        return LABELS.get(row, row)
    if enlarger == FULL:
        return f"{label(fuser)}, full resolution"
    return f"{label(enlarger)} + {label(fuser)}"


def table1_rows(
    joint: Sequence[str], fusers: Sequence[str], enlargers: Sequence[str], controls: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Rows of Table 1: those that are ranked, and those of a control among their members.

    Joint networks first, then every fuser behind every enlarger; among the controls the fusers at
    full resolution first.
    """
    cascades = [(fuser, by) for by in enlargers for fuser in fusers]
    plain = [cell for cell in cascades if not set(cell) & set(controls)]
    others = [(fuser, FULL) for fuser in fusers]
    others += [cell for cell in cascades if cell not in plain]
    return [*joint, *map(ENLARGER.join, plain)], [ENLARGER.join(cell) for cell in others]
