"""How these pages become a site: ``make site`` (Sphinx with MyST; a warning is an error)."""

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
