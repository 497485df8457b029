"""Layer 1: samples: the pump, what legs say and hear, tones, silence, files."""
