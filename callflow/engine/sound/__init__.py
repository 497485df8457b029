"""Layer 3: what is played to parties, and what they press.

Where to look:

    listening   the line's playbacks and digits (``Call.play``, ``Call.collect_digits``)
    clips       from what a flow names to sound; speaking: from texts; kept: both, for later calls;
                leveling: louder and softer
    legsound    sound for any leg
    announcing  the parties learn that they are recorded
    holdmusic   music on hold
"""
