"""SR3: enlargement by a diffusion model."""
