"""TGFuse."""
