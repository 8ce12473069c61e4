"""Slices: where they come from, how they are split, degraded, stored and loaded."""
