"""Tests of places that keep recordings: storage plans against real servers."""
