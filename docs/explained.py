"""Make the server's page /debugger/explained of the site's: ``python docs/explained.py``."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["PAGE", "TEMPLATE", "render"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanations" / "json-web-tokens.md"
TEMPLATE = ROOT / "src" / "carnet" / "server" / "pages" / "templates" / "explained_text.html"


def render(text: str) -> str:
    """Make HTML of the page's Markdown, as a server shows it.

    A server has neither the site's other pages nor the sources at hand. So "more about this" goes,
    links to files become their paths, and links to other pages become plain text, but for the
    debugger's.
    """
    text = re.sub(r" \[More about this\]\([^)]*\)\.", "", text)
    text = re.sub(r"^<(?:link|script)\b.*\n", "", text, flags=re.MULTILINE)
    html = MarkdownIt().enable("table").render(text)
    html = re.sub(
        r'<a href="\.\./\.\./((?:src|tests)/[^"]+)"(?: title="(\w+)")?>[^<]*</a>', _source, html
    )
    html = html.replace('<a href="../debugger.md">', '<a href="{{ base }}/debugger">')
    html = re.sub(r'<a href="(?!\{)[^"]*">(.*?)</a>', r"\1", html)
    # A table of proofs is for those who doubt; the text goes on below it.
    html = html.replace(
        "<table>", '<details><summary>Where this is proved</summary>\n<table class="stacked">'
    )
    html = html.replace("</table>", "</table></details>")
    html = html.replace("<th>", '<th scope="col">')
    return html.replace("<pre>", '<pre tabindex="0">')


def _source(link: re.Match[str]) -> str:
    path, function = link.groups()
    return f"<code>{path}{'::' + function if function else ''}</code>"


if __name__ == "__main__":
    TEMPLATE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
