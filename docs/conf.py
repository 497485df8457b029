"""How these pages become a site: ``make site`` (Sphinx with MyST; a warning is an error)."""

import gc

# Pages are trees of nodes that stay: looking for garbage among them takes a sixth of a build.
gc.set_threshold(200_000, 50, 100)

project = "callflow"
author = "the callflow developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
master_doc = "index"
html_theme = "furo"
html_title = "callflow"
html_copy_source = False
exclude_patterns: list[str] = []
myst_heading_anchors = 3
highlight_language = "none"
