"""TFS-Diff: joint fusion and super-resolution, by one conditional diffusion.

`tfsdiff.methods.conditional.training` trains it, as it does SR3; `psf` is the loss of its own.
"""
