"""Layer 2: pretend calls: legs played from WAV files by a scenario, or driven by hand.

``scenario.py`` a call as values · ``read.py`` from JSON · ``flags.py`` from flags · ``clips.py`` words for
sound · ``stage.py`` what the legs of a call share · ``channel.py`` a leg · ``dialer.py`` whom the flow
rings · ``driven.py`` parties that a test drives · ``call.py`` a whole call.
"""
