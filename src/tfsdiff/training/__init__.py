"""Training of a network: one loop for every method, and what it is given."""
