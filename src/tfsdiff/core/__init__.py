"""What every result depends on: tensors, random numbers, the device."""
