"""Tests of the NCCO dialect."""
