"""Tests of SIP: messages, sessions, access, real peers."""
