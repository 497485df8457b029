"""Layer 2: where calls come from and go to."""
