"""RTP without sockets: packets and a time in, samples and digits out."""
