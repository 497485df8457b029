"""SIP sessions: from SDP to channel, in virtual time over real loopback sockets."""
