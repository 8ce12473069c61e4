"""CDDFuse."""
