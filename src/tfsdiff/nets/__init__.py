"""Network modules: plain PyTorch, no knowledge of training, noise schedules or images."""
