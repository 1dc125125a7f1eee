"""Sphinx configuration of the documentation site; `make docs` builds it without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from pvi_hpc import __version__

project = "pvi_hpc"
author = "The pvi_hpc developers"
project_copyright = "The pvi_hpc developers, BSD 3-Clause licence"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "command_line",
    "mathml",
]
exclude_patterns = ["_generated"]

# Pages are Markdown; a link to a heading that does not exist is an error as well.
myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Quotes stay as they are written: names and code are to be copied.
smartquotes_action = "De"
# Docstrings write names between single backticks.
default_role = "code"
napoleon_google_docstring = False
napoleon_attr_annotations = False
# Docstrings say shapes, units and types in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88

# Nothing on a page is fetched from elsewhere: formulas are MathML, fonts those of the reader.
html_theme = "furo"
html_math_renderer = "mathml"
html_title = "pvi_hpc"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
