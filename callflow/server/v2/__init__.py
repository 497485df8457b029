"""Layer 6: the HTTP API under ``/v2/``, with Kazoo's paths and envelope: one file for each kind of thing."""
