"""Layer 1: speech to text, in a process of its own, by whatever recogniser is installed.

``interface.py`` what a recogniser is: also yours · ``plugins.py`` finds one by its name · ``pocket.py``,
``vosk.py``, ``whisper.py`` the three that are known here · ``sound.py`` a file's channels as they want them ·
``child.py`` the helper process · ``helper.py`` who starts it, waits, kills it · ``paper.py`` words as the
transcript document.
"""
