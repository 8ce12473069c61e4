"""Tensors, random numbers and the device: what every result depends on."""
