"""Layer 2: getting the finished file to where it belongs."""
