"""Figures as PNG files that are the same bytes every time."""
