"""Guided TFS-Diff: the same diffusion, started from what another method makes of the sources."""
