"""Sphinx: these pages as a site, by ``make docs``; a reference that leads nowhere is an error there."""

project = "mlp-bench"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "mlp-bench"
exclude_patterns = ["images"]
