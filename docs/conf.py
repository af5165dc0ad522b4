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
html_static_path = ["../src/carnet/server/pages/static/debugger", "site"]
html_css_files = ["site.css"]
html_favicon = "../src/carnet/server/pages/static/rosette.svg"
# The inks and papers of the pages (static/carnet.css).
html_theme_options = {
    "light_logo": "logo-light.svg",
    "dark_logo": "logo-dark.svg",
    "light_css_variables": {
        "color-brand-primary": "#1d3a8f",
        "color-brand-content": "#1d3a8f",
        "color-brand-visited": "#1d3a8f",
        "color-background-primary": "#fbfaf7",
        "color-background-secondary": "#ffffff",
        "color-background-border": "#d9d6cc",
        "color-card-background": "#ffffff",
        "color-foreground-primary": "#17213a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#a9c1ff",
        "color-brand-content": "#a9c1ff",
        "color-brand-visited": "#a9c1ff",
        "color-background-primary": "#0f1727",
        "color-background-secondary": "#162036",
        "color-background-border": "#2b3854",
        "color-card-background": "#162036",
        "color-foreground-primary": "#e9e7e0",
    },
}
html_show_sourcelink = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
exclude_patterns = ["_build"]
# Links to files of the repository, which are no pages, and a highlighter for a reverse proxy's own.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
