"""What is computed of fused images: scores, ensembles, calibration, leakage, cost."""
