"""The training loop of all methods, and its inputs: objective, data, optimiser, log."""
