"""Low-level image filters: arrays in, arrays out; nothing is learned."""
