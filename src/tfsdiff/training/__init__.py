"""Training of the learned members: losses, one loop, checkpoints, and the conditional diffusion."""
