"""Where slices come from: a folder, the phantom, the atlas."""
