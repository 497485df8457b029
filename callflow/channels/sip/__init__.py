"""Layer 2: calls from and to SIP phones and trunks (RFC 3261)."""
