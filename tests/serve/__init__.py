"""A server of real calls: its parts in virtual time, and the whole process with real SIP and RTP."""
