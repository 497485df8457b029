"""Layer 3: phones ring, and who answers talks with the one on the line.

Where to look, in the order in which a call comes by:

    endpoints   documents become targets that can be rung
    reaching    which of them are really rung: phones that are off, busy, forwarded
    identity    what they are told about the caller; intercom: that they answer by themselves
    race        who answers first, as values; ringing: the legs behind it
    confirming  a key pressed before a forwarded call is theirs
    talking     one talk, and what ends it
    consulting  a transfer by digits, after somebody was asked
    originating calls that begin here: nobody is on the line until somebody has answered
    bridging    from one talk to the next: the front that ``Call`` has of all this
"""
