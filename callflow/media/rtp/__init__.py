"""Layer 1: RTP legs: packets in and out, as rows of the pump (``callflow.media.live``).

Where to look, along the way of a packet; ``receive`` and ``send`` work on all rows of a plane at once:

    the network    sockets, ports (bound ahead), latch (whose packets count), rows (one leg's sockets),
                   io (all legs of a plane, once a tick), rounds (how often), arrivals (what came in a tick)
    packets        packet (headers), srtp, rtcp, io_reports (what RTCP says of a leg)
    codecs         codecs, g711, halfband (8 and 16 kHz), matrix
    in             expected (the packet that each row is to bring next: nearly all), receive (the others);
                   kinds, masks, columns (what is known of each row), placing (where in time), drift,
                   waiting (codecs with a memory), ring (the sound by its time), playing, conceal, noise;
                   told (digits, counts)
    digits         events (RFC 4733), inband (heard in the sound)
    out            send, pauses (silence that need not be sent)
"""
