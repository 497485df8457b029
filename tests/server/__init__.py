"""The HTTP server, over real HTTP on this machine."""
