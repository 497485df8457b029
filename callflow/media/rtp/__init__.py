"""Layer 1: RTP legs: packets in and out, as rows of the pump."""
