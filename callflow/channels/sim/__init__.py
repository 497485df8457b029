"""Layer 2: pretend calls: legs played from WAV files by a scenario."""
