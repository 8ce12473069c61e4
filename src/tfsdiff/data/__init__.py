"""Slices, groups and pairs: splitting, resizing, storing and loading them."""
