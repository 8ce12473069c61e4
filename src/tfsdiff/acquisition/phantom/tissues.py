"""The tissues of the head: one row of physical constants for each, with their sources.

* T1, T2, proton density at 1.5 T: the tissue table of BrainWeb (Collins et al., IEEE TMI 17:463,
  1998; Kwan et al., IEEE TMI 18:1085, 1999); blood after Stanisz et al., MRM 54:507, 2005 (T1) with
  the short T2 of venous, deoxygenated blood; tumour, oedema and infarct within the ranges of Just
  and Thelen, Radiology 169:779, 1988. Compact bone has too short a T2 for spin echoes.
* Gadolinium in mM: none behind an intact blood-brain barrier, high in veins, in a leaky rim and in
  the cortex of a subacute infarct ("gyral").
* Hounsfield units: usual clinical ranges (CSF 0-15, white 20-30, grey 35-45, blood 50-60, fat about
  -100, compact bone above 1000).
* Uptakes relative to grey matter. FDG and Tc-99m perfusion tracers: grey to white 4:1 before the
  point spread (the Hoffman brain phantom; Hoffman et al., IEEE TNS 37:616, 1990), which a scanner
  of centimetre resolution sees as 2:1 (7.30 to 3.41 mg/min/100 g, Huang et al., Am J Physiol
  238:E69, 1980). Tl-201 stays out of the intact brain and is taken up by viable tumour, muscle
  and blood; its uptake is relative to that of a tumour.
"""

from typing import NamedTuple

import numpy as np


class Tissue(NamedTuple):
    """Constants of one tissue: times in ms, density relative to water, gadolinium in mM."""

    t1: float
    t2: float
    density: float
    gadolinium: float
    hounsfield: float
    fdg: float
    technetium: float
    thallium: float


TISSUES = {
    "air": Tissue(1000, 1, 0.0, 0.0, -1000, 0.0, 0.0, 0.0),
    "csf": Tissue(2569, 329, 1.0, 0.0, 8, 0.02, 0.02, 0.04),
    "grey": Tissue(833, 83, 0.86, 0.01, 39, 1.0, 1.0, 0.10),
    "white": Tissue(500, 70, 0.77, 0.01, 29, 0.25, 0.25, 0.08),
    "bone": Tissue(1000, 1, 0.05, 0.0, 1300, 0.01, 0.02, 0.10),
    "marrow": Tissue(400, 60, 0.45, 0.05, 450, 0.03, 0.06, 0.25),
    "fat": Tissue(350, 70, 1.0, 0.0, -90, 0.01, 0.06, 0.25),
    "muscle": Tissue(900, 47, 1.0, 0.12, 55, 0.04, 0.18, 0.55),
    "dura": Tissue(900, 30, 0.70, 0.50, 60, 0.05, 0.15, 0.35),
    "blood": Tissue(1441, 50, 0.80, 3.0, 56, 0.10, 0.30, 0.60),
    "necrosis": Tissue(2000, 250, 0.95, 0.03, 18, 0.05, 0.05, 0.15),
    "rim": Tissue(1200, 110, 0.88, 0.80, 42, 0.85, 0.75, 1.00),
    "oedema": Tissue(1100, 150, 0.88, 0.01, 17, 0.18, 0.18, 0.10),
    "infarct": Tissue(1250, 140, 0.90, 0.01, 20, 0.08, 0.06, 0.08),
    "gyral": Tissue(1250, 140, 0.90, 0.60, 24, 0.10, 0.08, 0.25),
}
NAMES = tuple(TISSUES)
INDEX = {name: index for index, name in enumerate(NAMES)}


def constants(field: str) -> np.ndarray:
    """Column `field` of the table, (tissues,), in the order of `NAMES`."""
    return np.array([getattr(tissue, field) for tissue in TISSUES.values()], dtype=np.float32)


def mix(values: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Partial volume: (tissues,) values weighted with (tissues, H, W) fractions, to (H, W)."""
    return np.einsum("t,thw->hw", values.astype(np.float32), fractions)
