"""Scores of fused images, ensembles, calibration, leakage, cost."""
