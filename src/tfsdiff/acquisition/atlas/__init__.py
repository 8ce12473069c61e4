"""Data source `atlas`: slices of Harvard's Whole Brain Atlas, from the server to groups."""
