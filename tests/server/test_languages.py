"""Languages: which one is spoken, the catalogs, and how each counts, dates and groups digits."""

import ast
import gettext
import importlib.util
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

import carnet.server
from carnet.server import languages
from carnet.server.keys.stages import Stage
from carnet.server.pages.admin.keys import STAGES
from carnet.server.pages.words import CAUSES

SERVER = Path(carnet.server.__file__).parent
CATALOGS = SERVER / "catalogs"
TEMPLATES = sorted(path for path in SERVER.glob("*/templates/*") if path.is_file())
MOMENT = 1_788_782_400_000_000
CATALOG_NAMES = sorted(path.stem for path in CATALOGS.glob("*.po"))

# What is the same in every language: names, and what is code.
SAME = {
    "Carnet", "PKCE", "client_id", "FAPI 2.0 Security Profile",
    "FAPI 2.0 Security Profile and Message Signing", "UTC",
    "narrow",  # a class of the page's body
}  # fmt: skip
# The debugger and what explains tokens are English as a whole, and say so in their lang.
ENGLISH_TEMPLATES = {
    "debugger.html", "debugger_desk.html", "debugger_offline.html", "explained.html",
    "explained_text.html",
}  # fmt: skip
PLACE = r"%\(\w+\)s|\{\w*\}"
SHOWN_ATTRIBUTES = {"aria-label", "alt", "title", "placeholder", "data-label"}


def catalog(name):
    with (CATALOGS / name).open("rb") as file:
        return read_po(file, locale=name.removesuffix(".po") if name.endswith(".po") else None)


def key(message):
    return message.context, message.id


@pytest.fixture(scope="module")
def catalogs():
    path = SERVER.parents[2] / "docs" / "catalogs.py"
    spec = importlib.util.spec_from_file_location("catalogs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_of_messages_is_what_the_sources_say(catalogs):
    found = catalogs.text_of(catalogs.extracted())
    assert found == (CATALOGS / "messages.pot").read_text(), "run: make catalogs"


def test_every_language_is_offered():
    assert list(languages.offered()) == ["en", "de", "fr", "es", "pt", "ja", "ar"]


@pytest.mark.parametrize("name", CATALOG_NAMES)
def test_a_catalog_has_every_message_and_no_other(name):
    wanted = {key(message) for message in catalog("messages.pot") if message.id}
    found = {key(message): message for message in catalog(f"{name}.po") if message.id}
    assert found.keys() == wanted
    forms = catalog(f"{name}.po").num_plurals
    for message in found.values():
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(said), message.id
        assert not message.fuzzy, message.id
        assert len(said) == (forms if isinstance(message.id, tuple) else 1), message.id


@pytest.mark.parametrize("name", CATALOG_NAMES)
def test_a_translation_has_the_placeholders_and_the_markup_of_its_message(name):
    for message in catalog(f"{name}.po"):
        if not message.id:
            continue
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        places, marks = parts(english[-1])
        for text in said:
            found, markup = parts(text)
            # "One device" and "two devices" may say the number in letters.
            missing = places - found if isinstance(message.id, tuple) else places ^ found
            assert missing <= ({"%(num)s", number_of(message)} if len(said) > 1 else set()), text
            assert found <= places, text
            assert markup == marks, text
            assert text.strip() == text or english[-1].strip() != english[-1], text


def number_of(message):
    """The placeholder of the number in a message with a plural."""
    single = set(re.findall(PLACE, message.id[0]))
    many = re.findall(PLACE, message.id[1])
    return next((place for place in many if place not in single), many[0] if many else "")


def parts(text):
    places = set(re.findall(PLACE, text))
    bare = re.sub(r"%\(\w+\)s", "", text)
    assert "%" not in bare
    markup = Counter(re.findall(r"<[^>]*>", bare))
    # Whatever else a browser would not take for text.
    assert not set("<>&") & set(re.sub(r"<[^>]*>", "", bare)), text
    if not markup:
        assert text.count('"') == 0 or '{"' in text, text
    return places, markup


@pytest.mark.parametrize("name", CATALOG_NAMES)
def test_a_catalog_counts_as_its_language_does(name):
    forms = catalog(f"{name}.po")
    rule = gettext.c2py(forms.plural_expr)
    by_form = {}
    for number in (*range(1001), 1_000_000, 2_000_000, 1_000_001):
        by_form.setdefault(rule(number), set()).add(Locale(name).plural_form(number))
    assert len(by_form) == forms.num_plurals
    assert all(len(names) == 1 for names in by_form.values()), by_form


def test_arabic_has_six_forms():
    rule = gettext.c2py(
        "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5"
    )
    names = {number: Locale("ar").plural_form(number) for number in (0, 1, 2, 3, 11, 100)}
    assert names == {0: "zero", 1: "one", 2: "two", 3: "few", 11: "many", 100: "other"}
    assert [rule(number) for number in names] == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def all_offered(monkeypatch):
    known = {one.tag: one for one in languages._KNOWN}
    monkeypatch.setattr(languages, "offered", lambda: known)


@pytest.mark.parametrize(
    ("code", "moment", "number"),
    [
        ("en", "7 Sept 2026, 12:00 UTC", "1,234,567"),
        ("de", "7. Sept. 2026, 12:00 UTC", "1.234.567"),
        ("fr", "7 sept. 2026, 12:00 UTC", "1\u202f234\u202f567"),
        ("es", "7 sept 2026, 12:00 UTC", "1.234.567"),
        ("pt", "7 de set. de 2026 12:00 UTC", "1.234.567"),
        ("ja", "2026年9月7日 12:00 UTC", "1,234,567"),
        ("ar", "7 سبتمبر 2026، 12:00 UTC", "1,234,567"),
    ],
)
def test_moments_and_numbers_are_written_as_the_language_writes_them(
    all_offered, code, moment, number
):
    with languages.speaking(code):
        assert languages.written_moment(MOMENT) == moment
        assert languages.written_number(1_234_567) == number


def test_a_moment_that_no_clock_has_said_is_unknown():
    assert languages.written_moment(2**62) == "an unknown time"


def test_a_language_that_is_not_offered_is_english():
    with languages.speaking("xx"):
        assert languages.language().tag == "en"
        assert languages.gettext("Sign in") == "Sign in"


def test_every_language_has_its_direction():
    directions = {one.tag: one.direction for one in languages._KNOWN}
    assert directions.pop("ar") == "rtl"
    assert set(directions.values()) == {"ltr"}


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", [""]),
        ("de-CH, fr;q=0.9, en;q=0.95", ["de-CH", "en", "fr"]),
        ("*;q=0.1, de;q=0, fr;q=x, ja;q=2, es;q=nan", ["*"]),
        ("de;q=1e-3", ["de"]),
        (",".join(["xx"] * 16 + ["de"]), ["xx"] * 16),
        ("x" * 512 + ",de", ["x" * 512]),
    ],
)
def test_what_a_browser_wants_is_read_as_far_as_it_may_go(text, tags):
    assert languages.read_accept_language(text) == tags


def test_what_a_client_wants_is_read_as_far_as_it_may_go():
    assert languages.read_ui_locales("de-AT  fr") == ["de-AT", "fr"]
    assert languages.read_ui_locales(" ".join(["xx"] * 16 + ["de"])) == ["xx"] * 16
    assert languages.read_ui_locales("x" * 512 + " de") == ["x" * 512]


# What a template says outside its catalogs.


class Text(HTMLParser):
    """The text of a page: what stands between tags, and in attributes that are shown or read."""

    def __init__(self):
        super().__init__()
        self.found, self.silent = [], 0

    def handle_starttag(self, tag, attributes):
        self.silent += tag in ("script", "style")
        self.found += [value for name, value in attributes if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag):
        self.silent -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.silent:
            self.found.append(data)


def words(texts):
    stripped = (re.sub(r"\s+", " ", text).strip(" :·,.…()“”|-") for text in texts)
    return {text for text in stripped if re.search(r"[^\W\d_]", text)} - SAME


def environment():
    made = Environment(trim_blocks=True, lstrip_blocks=True)
    languages.translate_templates(made)
    return made


def static_text(template):
    """What stands in a template itself; what it shows is a ¤, so that attributes stay whole."""
    outputs = environment().parse(template).find_all(nodes.Output)
    return "".join(
        node.data if isinstance(node, nodes.TemplateData) else "¤"
        for output in outputs
        for node in output.nodes
    )


TRANSLATING = {"_", "gettext", "ngettext", "pgettext", "npgettext"}


def said_in_code(template):
    """The texts of a template's expressions that no catalog is asked for."""
    tree = environment().parse(template)
    asked = {
        id(constant)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in TRANSLATING
        for constant in call.find_all(nodes.Const)
    }  # fmt: skip
    texts = (one.value for one in tree.find_all(nodes.Const) if id(one) not in asked)
    return {text for text in texts if isinstance(text, str) and re.search(r"[A-Z]\w|\w \w", text)}


NO_TEXT = re.compile(
    r"current-password|username webauthn|WDJB|\A[\w-]+ wide|\A(wide|danger|wrong|quiet| )+\Z|\A<"
)


@pytest.mark.parametrize(
    "path", [path for path in TEMPLATES if path.name not in ENGLISH_TEMPLATES], ids=lambda p: p.name
)
def test_no_text_of_a_template_escapes_translation(path):
    template = path.read_text()
    parser = Text()
    parser.feed(static_text(template))
    parser.close()
    texts = (part for text in parser.found for part in text.split("¤"))
    assert not words(texts) - {"Subject"}
    assert not {text for text in said_in_code(template) - SAME if not NO_TEXT.search(text)}


# A template trusts what a catalog gives: what somebody has typed is no message. These are tables.
TABLES = {
    ("admin.html", "meanings"), ("admin_audit_chosen.html", "labels"),
    ("admin_charts.html", "chart.name"), ("admin_charts.html", "covered.summary"),
    ("admin_charts.html", "covered.title"), ("admin_charts.html", "mark"),
    ("admin_charts.html", "one.title"), ("admin_checklist.html", "item.text"),
    ("admin_checklist.html", "item.title"), ("admin_client_new.html", "text"),
    ("admin_keys.html", "stages"), ("admin_user.html", "kinds"), ("confirm.html", "choice.label"),
    ("confirm.html", "text"), ("consent_pages.html", "page.title"), ("factors.html", "kinds"),
    ("link.html", "page.button"), ("link.html", "page.title"),
}  # fmt: skip


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_takes_no_message_from_anybody(path):
    calls = environment().parse(path.read_text()).find_all(nodes.Call)
    asked = {
        written(call.args[0])
        for call in calls
        if isinstance(call.node, nodes.Name) and call.node.name in TRANSLATING
    }
    assert {(path.name, one) for one in asked - {""}} <= TABLES


def written(node):
    """A node as its template has it; of what is looked up in a table, the table; "" for a text."""
    if isinstance(node, nodes.Const):
        return ""
    if isinstance(node, nodes.Getattr):
        return f"{written(node.node)}.{node.attr}"
    return written(node.node) if isinstance(node, nodes.Getitem) else node.name


SAID = {"gettext", "marked", "ngettext"}
# What stands in headers, in markup, or is the beginning of what a cause is made of.
FOR_PROGRAMS = re.compile(
    r"default-src|public, max-age|<time |the secret|\A(too many|sign in|second factor)"
)


def sentences(path):
    """The texts in a module of pages that look like what is said, and are in no catalog."""
    tree = ast.parse(path.read_text())
    silent = set()
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call) and ast.unparse(node.func)
        if called in SAID or (called or "").endswith(
            ("ConfigurationError", "NotTheClient", "Refused", "refusal")
        ):
            silent |= {id(one) for one in ast.walk(node)}
        if isinstance(node, ast.Expr):
            silent |= {id(one) for one in ast.walk(node) if isinstance(one, ast.Constant)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in silent:
            yield node.value


@pytest.mark.parametrize(
    "path",
    sorted(SERVER.glob("pages/**/*.py")),
    ids=lambda path: path.relative_to(SERVER).as_posix(),
)
def test_no_sentence_of_a_page_s_module_escapes_translation(path):
    said = (text for text in sentences(path) if re.search(r"\w \w", text))
    assert not [text for text in said if not FOR_PROGRAMS.search(text)]


def test_the_causes_that_pages_translate_are_those_that_errors_have():
    said = set()
    for path in SERVER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
    missing = [cause for cause in CAUSES if not {cause[:-1], cause[0].lower() + cause[1:-1]} & said]
    assert not missing


def test_every_stage_of_a_key_has_its_word():
    assert set(STAGES) == set(Stage)
