"""Layer 1: the state folder: its layout, its locks and its one database."""
