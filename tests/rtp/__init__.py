"""Layer 1 tests: RTP."""
