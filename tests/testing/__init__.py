"""Tests of the pytest plugin and of scenario files."""
