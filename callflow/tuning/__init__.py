"""Layer 4: what other settings would have done to recordings that are there.

``grid.py`` the settings to try · ``frames.py`` a sound file as what the silence detector looks at ·
``replay.py`` the real recorder over these, once a setting · ``verdict.py`` what was cut off and what was
kept, and which setting is best · ``chart.py`` all of it as an SVG.
"""
