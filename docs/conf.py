"""The site: ``make docs`` builds it into build/docs with Sphinx and MyST."""

from carnet import __version__

project = "Carnet"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Carnet"
# The live tokens of explanations/json-web-tokens.md are those of the server's page.
html_static_path = ["../src/carnet/server/pages/static/debugger"]
html_show_sourcelink = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
exclude_patterns = ["_build"]
# Links to files of the repository, which are no pages, and a highlighter for a reverse proxy's own.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
