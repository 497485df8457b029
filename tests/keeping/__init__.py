"""Recordings expire, are held, erased, swept and sealed."""
