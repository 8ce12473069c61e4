"""Names for readers: of the rows of the tables, and of the tables."""

LABELS = {
    "sr3": "SR3",
    "tfsdiff": "TFS-Diff",
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
    "bitonicx-sr3": "SR3 + BitonicX",
    "bitonicx-bicubic": "bicubic + BitonicX",
    "bitonicx-full": "BitonicX, full resolution",
    "mean-sr3": "SR3 + mean of sources",
    "mean-bicubic": "bicubic + mean of sources",
    "mean-full": "mean of sources, full resolution",
    "copy-sr3": "SR3 + one source",
    "copy-bicubic": "bicubic + one source",
    "copy-full": "one source, full resolution",
}

TITLES = {
    1: "Table 1: fusion with super-resolution.",
    2: "Table 2: ablations of TFS-Diff.",
}
