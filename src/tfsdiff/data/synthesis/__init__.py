"""Computed groups: further training groups, made from the training groups and the pairs.

`recipes` makes a group from studies (`studies`) by fitting heads to each other (`heads`), by new
contrasts (`contrast`), by contrast enhancement and thallium uptake (`lesions`), and by turns and
maps (`geometry`). Images are float64 in [0, 1]: grey (H, W), functional (H, W, 3). All lengths are
shares of the side of an image, so that groups of any size look alike.
"""
