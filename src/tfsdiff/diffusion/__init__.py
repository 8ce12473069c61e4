"""The diffusion process: noise schedules, its closed forms, and samplers. Knows no network."""
