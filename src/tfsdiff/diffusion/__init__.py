"""Noise schedules, parametrisations of the network's output, the denoiser, samplers."""
