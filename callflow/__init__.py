"""Run Kazoo callflows and record calls: in a test, on a laptop, on real SIP traffic."""

__version__ = "0.1.0"
