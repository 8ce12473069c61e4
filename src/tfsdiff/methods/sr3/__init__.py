"""SR3: enlargement by a conditional diffusion; `tfsdiff.methods.conditional.training` trains it."""
