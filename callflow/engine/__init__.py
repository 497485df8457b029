"""Layer 3: a call walks a flow."""
