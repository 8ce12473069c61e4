"""The metrics of fused images, listed in `registry`."""
