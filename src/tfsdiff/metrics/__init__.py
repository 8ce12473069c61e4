"""The metrics, listed in `registry`: what measures a fused image."""
