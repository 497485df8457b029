"""Layer 4: one file per callflow module."""
