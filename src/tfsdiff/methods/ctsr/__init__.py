"""CTSR."""
