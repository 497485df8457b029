"""Layer 2: recordings: the recorder, its spool, the finished file, recovery."""
