"""Layer 1 and 2, tests: speech to text. Times, structure and plumbing; never what a weak model hears."""
