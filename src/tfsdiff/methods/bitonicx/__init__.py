"""BitonicX."""
