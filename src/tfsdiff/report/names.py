"""Names for readers: of the rows of the tables, and of the tables."""

LABELS = {
    "tfsdiff": "TFS-Diff",
    "tfsdiff_no_tmfa": "w/o TMFA",
    "tfsdiff_no_psf": "w/o PSF",
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
