"""The diffusion: noise schedules, what a network puts out, the denoiser made of both, samplers."""
