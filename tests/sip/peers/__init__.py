"""Real SIP programs, and the tests that call them."""
