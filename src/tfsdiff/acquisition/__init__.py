"""Data sources: a folder of slices, the phantom, the atlas."""
