"""Collects what pages and mails say, and brings it into every language's catalog.

    python docs/catalogs.py            every catalog that is there
    python docs/catalogs.py fr ja      these too, which may be new

A message that is new has an empty translation, one that has changed is new, and one that is gone
leaves. ``tests/server/test_languages.py`` says what is missing.
"""

from __future__ import annotations

import io
import sys
import tomllib
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "src/carnet/server"
CATALOGS = SERVER / "catalogs"
KEYWORDS = {**DEFAULT_KEYWORDS, "marked": None}
HEADER = """\
# What Carnet's pages and mails say in the language {code}.
msgid ""
msgstr ""
"Language: {code}\\n"
"Plural-Forms: nplurals={plural.num_plurals}; plural={plural.plural_expr};\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def extracted() -> Catalog:
    """Collect the messages of the sources."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]
    methods = [(one["pattern"], one["method"]) for one in tables["mappings"]]
    options = {
        one["pattern"]: {
            name: text for name, text in one.items() if name not in ("method", "pattern")
        }
        for one in tables["mappings"]
    }
    made = Catalog()
    found = extract_from_dir(SERVER, methods, options, KEYWORDS)
    for name, _line, message, _comments, context in found:
        made.add(message, None, [(f"src/carnet/server/{name}", 0)], context=context)
    return made


def text_of(catalog: Catalog, header: str = "") -> str:
    """Write a catalog, the same for the same messages."""
    out = io.BytesIO()
    write_po(out, catalog, omit_header=True, sort_by_file=True, include_lineno=False)
    return header + out.getvalue().decode()


def updated(code: str, template: Catalog) -> str:
    """Write the catalog of a language with the messages of today."""
    path = CATALOGS / f"{code}.po"
    known: dict[tuple[object, object], Message] = {}
    if path.exists():
        before = read_po(io.BytesIO(path.read_bytes()), locale=code)
        known = {(one.context, one.id): one for one in before}
    made = Catalog(locale=code)
    for message in template:
        if message.id:
            old = known.get((message.context, message.id))
            said = None if old is None else old.string
            made.add(message.id, said, message.locations, context=message.context)
    return text_of(made, HEADER.format(code=code, plural=get_plural(code)))


def main() -> None:
    """Write the list of messages and the catalogs."""
    template = extracted()
    (CATALOGS / "messages.pot").write_text(text_of(template), "utf-8")
    for code in sorted({path.stem for path in CATALOGS.glob("*.po")} | set(sys.argv[1:])):
        (CATALOGS / f"{code}.po").write_text(updated(code, template), "utf-8")


if __name__ == "__main__":
    main()
