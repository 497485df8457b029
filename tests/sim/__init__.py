"""Tests of pretend calls."""
