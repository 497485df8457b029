"""Layer 4: a flow as people see it: its picture, the way a call took through it, how two flows differ.

``picture.py`` the shapes that all the others share · ``gather.py`` a document and its problems to a picture ·
``hiding.py`` what is never shown · ``journey.py`` a call's events to marks on the picture · ``layout.py``
boxes to places · ``svg.py``, ``mermaid.py``, ``text.py`` the three ways to show it · ``difference.py`` two
flows compared as trees.
Nothing here reads files, the network or a clock: the same input is the same picture.
"""
