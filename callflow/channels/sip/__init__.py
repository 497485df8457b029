"""Layer 2: calls from and to SIP phones and trunks (RFC 3261).

Where to look, from the wire up; each line uses those above it:

    messages       header, header_via, uri, message_types, message
    bytes          limits, framing, transport, transport_udp, transport_stream, transport_door (TLS),
                   transport_route, transports (all of a stack)
    transactions   transaction (the tables), transaction_ids, transaction_timers, transaction_run,
                   transaction_client, transaction_server
    the stack      stack: transports and transactions, for a user agent above
    who may call   digest_words, digest, digest_client, credentials, device_sound, throttle, admission
    who is where   registrar, registrar_file, trunks, locate; access (all, loaded at once)
    sound          sdp (the text), offer (what both can do)
    a dialog       dialog, session_ground (what all calls share), session_path (requests on their way),
                   session_timer, session_cause, session_body, prack, replaces
    a call         session_media (its port, its offers), session_accept, session_incoming, session_outgoing,
                   session_redirect (3xx), session_change (re-INVITE, UPDATE), refer,
                   session_talk (every request within it)
    all calls      session_states and channel (one call, as the engine sees it), endpoint_calls (the table),
                   endpoint (who gets a request), dialer (calls out)

An INVITE that comes: transport_udp -> stack -> endpoint (admission) -> channel -> session_incoming.
One of ours: dialer (locate) -> endpoint -> channel -> session_outgoing -> stack -> transports.
"""
