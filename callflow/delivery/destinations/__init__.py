"""Layer 2: one file per kind of destination."""
