"""DDFM."""
