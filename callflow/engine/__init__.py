"""Layer 3: a call walks a flow. What a module may do to a call is in ``call``; the rest stands behind it.

Where to look; packages have maps of their own:

    the walk       flow (the parsed tree), walker, outcome (the moves), routing (from a number to a flow),
                   restricting (what a phone may not call)
    the call       call, session (its run, to the last thing that belongs to it), line (its legs), results
                   (what its waiting methods give), background (what goes on beside the walk), turns
                   (blocking work, in threads)
    sound/         played to parties, and the digits they press
    dialling/      phones ring; talks, and transfers out of them
    meeting/       calls meet: parking, picking up, queues, listening in
    rooms          many legs together; roomseat: a caller in one; paging: a page
    digits         metaflows (keys that start actions beside the walk), pins
    recordings     what a call starts and stops; recording_rules (by settings), recording_facts, storage
    knowledge      variables, changing (documents that a call changes), endings (what is done after it),
                   mailing, report
    the engine     services (what a call needs of it, in one bundle), router (media events find their call)

``call`` has a front for each concern (``call.bridging``, ``call.joins``, ``call.recordings``): small objects
that hold the call, so that each can be read, and tested, alone.
"""
