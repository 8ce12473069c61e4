"""Diffusion of an image beside a condition: what SR3 and TFS-Diff share."""
