"""The eight metrics, a module each; `registry` lists them."""
