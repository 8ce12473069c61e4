"""Scores become files, tables and figures."""
