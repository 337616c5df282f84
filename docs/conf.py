# ruff: noqa: INP001  # a folder of pages, not of modules
"""How Sphinx makes HTML of these pages: ``make docs``. Nothing is fetched from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from maglev.model.version import VERSION  # noqa: E402  # the line above finds it where nothing is installed

project = "vpp-maglev"
author = "the authors of vpp-maglev"
release = VERSION

extensions: list[str] = []
exclude_patterns: list[str] = []
nitpicky = True
smartquotes = False  # "--" in an option stays two hyphens
highlight_language = "none"  # a literal block without a language is nothing to colour

html_theme = "alabaster"
html_title = f"vpp-maglev {VERSION}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_sidebars = {"**": ["about.html", "searchbox.html", "navigation.html"]}
html_theme_options = {
    "description": "Health checks for the Maglev load balancer of VPP",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "260px",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "show_powered_by": False,
}
