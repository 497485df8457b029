"""Layer 2: a leg whose far end is a web server that speaks and hears over a WebSocket (Vonage Voice API).

``wire`` what is said on it, and the sound that waits to be heard: sans-IO · ``gateway`` carries sound
between the leg's RTP and the socket · ``channel`` the leg as the engine sees it · ``dialer`` where such legs
come from.

To the media such a leg is an RTP leg like any other, with L16 on the loopback interface: so it is bridged,
mixed, moved and recorded as they are, and its socket never holds up a tick.
"""
