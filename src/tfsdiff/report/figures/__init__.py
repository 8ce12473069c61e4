"""Figures as PNG files, reproducible byte for byte."""
