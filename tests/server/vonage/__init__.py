"""Vonage's API on a real server, with real phones."""
