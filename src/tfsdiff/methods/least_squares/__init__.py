"""Enlargement by linear filters that were fitted by least squares, one a class of pixels."""
