"""In which language pages speak: as the client wants, as the person has chosen, as the browser."""

import gettext
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import Request
from tests.server.inside import Inside, register

from carnet.server import languages
from carnet.server.pages.routes import PAGES

WITHOUT_PARAMETERS = sorted(
    route.path
    for route in PAGES
    if "GET" in (route.methods or ()) and "{" not in route.path and "debugger" not in route.path
)


class Pseudo(gettext.NullTranslations):
    """A catalog of a language in which everything stands in ⟦ ⟧."""

    def gettext(self, message):
        return f"⟦{message}⟧"

    def ngettext(self, one, many, number):
        return f"⟦{many}⟧"

    def pgettext(self, _context, message):
        return f"⟦{message}⟧"


@pytest.fixture(autouse=True)
def all_offered(monkeypatch):
    """Every language is offered and has a catalog in which its code stands behind each message."""

    class Marked(Pseudo):
        def __init__(self, code):
            super().__init__()
            self.code = code

        def gettext(self, message):
            return f"{message} {self.code}"

    known = {one.tag: one for one in languages._KNOWN}
    for module in (languages, "carnet.server.web.page_language", "carnet.server.pages.rendering"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.offered", lambda: known)
    monkeypatch.setattr("carnet.server.pages.language.offered", lambda: known)
    monkeypatch.setattr(languages, "_catalog", Marked)


@pytest.fixture
def pseudo(monkeypatch):
    monkeypatch.setattr(languages, "_catalog", lambda _code: Pseudo())


def spoken(answer):
    return re.search(r'<html lang="(\w+)"', answer.text)[1]


def browser_of(service, wants="", username="alice"):
    browser = Inside(service, username)
    browser.client.headers["Accept-Language"] = wants
    return browser


async def choose(browser, code, back="/"):
    return await browser.client.post("/language", data={"language": code, "back": back})


def test_the_browser_is_listened_to_and_english_is_the_last_choice(play):
    async def scene(service, _clock):
        wanted = ("", "de", "xx, fr;q=0.5, ja;q=0.7", "pt-BR", "*", "q=;;,,")
        return [spoken(await browser_of(service, wants).client.get("/sign-in")) for wants in wanted]

    assert play(scene) == ["en", "de", "ja", "pt", "en", "en"]


def test_who_has_chosen_gets_that_and_comes_back_to_the_page(play):
    async def scene(service, _clock):
        browser = browser_of(service, "de")
        chosen = await choose(browser, "fr", "/sign-in?continue=%2Fme")
        cookie = chosen.headers["set-cookie"]
        unknown = await choose(browser, "xx")
        away = await choose(browser, "fr", "//elsewhere.example")
        return chosen, cookie, unknown, away, spoken(await browser.client.get("/sign-in"))

    chosen, cookie, unknown, away, found = play(scene)
    assert chosen.headers["location"] == "/sign-in?continue=%2Fme"
    assert "HttpOnly" in cookie
    assert "set-cookie" not in unknown.headers
    assert away.headers["location"] == "/"
    assert found == "fr"


def test_the_menu_stands_on_every_page_that_can_be_opened_again(play):
    async def scene(service, _clock):
        browser = browser_of(service)
        opened = await browser.client.get("/sign-in?continue=%2Fme")
        answered = await browser.client.post("/sign-in", data={"username": "alice"})
        return opened.text, answered.text

    opened, answered = play(scene)
    assert 'name="back" value="/sign-in?continue=%2Fme"' in opened
    names = re.findall(r'name="language" value="\w+" lang="\w+"[^>]*>([^<]*)<', opened)
    assert names == [one.name for one in languages._KNOWN]
    assert 'name="back"' not in answered


def test_another_site_chooses_nothing(play):
    async def scene(service, _clock):
        browser = browser_of(service)
        browser.client.headers["Origin"] = "https://elsewhere.example"
        return await choose(browser, "fr")

    assert play(scene).status_code == 403


def test_a_cookie_that_was_not_set_here_is_no_choice(play):
    async def scene(service, _clock):
        browser, found = browser_of(service, "de"), []
        for value in ("xx", "", ".", "fr.de.fr", "<b>", "f" * 4000):
            headers = {"Cookie": f"carnet-language={value}"}
            found.append(spoken(await browser.client.get("/sign-in", headers=headers)))
        return found

    assert play(scene) == ["de", "de", "de", "fr", "de", "de"]


def test_what_the_client_wants_counts_most_until_the_person_chooses(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service)
        browser, found = browser_of(service, "de"), []
        asked = Request(ui_locales="xx ja-JP fr")
        found.append(await browser.client.get(f"/authorize?{urlencode(asked.parameters)}"))
        address = found.pop().headers["location"]
        found.append(await browser.client.get(address))
        following = unescape(re.search('name="continue" value="([^"]*)"', found[0].text)[1])
        wrong = {"username": "alice", "password": "wrong-password", "continue": following}
        found.append(await browser.client.post("/sign-in", data=wrong))
        await choose(browser, "es", address)
        found.append(await browser.client.get(address))
        found.append(await browser.client.post("/sign-in", data=wrong))
        other = address.replace("ja-JP", "pt")
        found.append(await browser.client.get(other))
        signed_in = await browser.client.post("/sign-in", data={**wrong, "password": PASSWORD})
        found.append(await browser.client.get(signed_in.headers["location"]))
        return [spoken(one) for one in found]

    assert play(scene) == ["ja", "ja", "es", "es", "pt", "es"]


def test_what_was_pushed_is_wanted_of_the_pages_on_the_way(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service)
        browser = browser_of(service, "de")
        asked = Request(ui_locales="ja")
        pushed = (await browser.client.post("/par", data=asked.parameters)).json()
        query = urlencode({"client_id": "app", "request_uri": pushed["request_uri"]})
        away = await browser.client.get(f"/authorize?{query}")
        page = await browser.client.get(away.headers["location"])
        form = {"username": "alice", "password": PASSWORD}
        form["continue"] = unescape(re.search('name="continue" value="([^"]*)"', page.text)[1])
        signed_in = await browser.client.post("/sign-in", data=form)
        consent = await browser.client.get(signed_in.headers["location"])
        assert "decision" in consent.text
        return spoken(page), spoken(consent)

    assert play(scene) == ("ja", "ja")


def test_the_account_keeps_what_was_chosen_and_the_next_browser_learns_it(play):
    async def scene(service, _clock):
        account = await service.accounts.create("alice", PASSWORD)
        first, found = browser_of(service), []
        await first.sign_in()
        found.append((await service.accounts.languages_of(account.id))[0])
        await choose(first, "ar", "/me")
        found.append((await service.accounts.languages_of(account.id))[0])
        second = browser_of(service, "de")
        found.append(spoken(await second.client.get("/sign-in")))
        await second.sign_in()
        found.append(spoken(await second.client.get("/me")))
        return found

    assert play(scene) == ["", "ar", "de", "ar"]


def test_what_was_chosen_before_the_sign_in_becomes_the_account_s_if_it_has_none(play):
    async def scene(service, _clock):
        account = await service.accounts.create("alice", PASSWORD)
        first, second = browser_of(service), browser_of(service)
        await choose(first, "fr")
        await first.sign_in()
        await choose(second, "ja")
        await second.sign_in()
        return (await service.accounts.languages_of(account.id))[0]

    assert play(scene) == "fr"


def test_a_language_in_the_database_that_nobody_offers_harms_nothing(play):
    async def scene(service, _clock):
        account = await service.accounts.create("alice", PASSWORD)
        await service.accounts.set_language(account.id, "<xx>")
        browser = browser_of(service, "de")
        await browser.sign_in()
        return spoken(await browser.client.get("/me"))

    assert play(scene) == "de"


def test_programs_are_answered_in_english(play):
    async def scene(service, _clock):
        headers = {"Accept": "application/json", "Accept-Language": "de"}
        client = browser_of(service).client
        wrong = {"username": "alice", "password": "wrong-password"}
        return [
            (await client.post("/sessions", json=wrong, headers=headers)).json(),
            (await client.post("/sign-in", data=wrong, headers={**headers, "Origin": "x"})).json(),
            (await client.get("/nothing-here", headers=headers)).json(),
        ]

    assert not [one for one in play(scene) if one["error_description"].endswith(" de")]


def test_a_failure_is_told_in_the_language_of_the_page(play):
    async def scene(service, _clock):
        return await browser_of(service, "de").client.get("/nothing-here")

    assert "<h1>There is nothing here de</h1>" in play(scene).text


def test_arabic_is_written_from_right_to_left(play):
    async def scene(service, _clock):
        return (await browser_of(service, "ar").client.get("/sign-in")).text

    assert '<html lang="ar" dir="rtl">' in play(scene)


def test_one_who_asks_for_something_does_not_decide_for_the_next(play):
    async def scene(service, _clock):
        await browser_of(service, "de").client.get("/sign-in")
        return spoken(await browser_of(service).client.get("/sign-in"))

    assert play(scene) == "en"


# Nothing escapes.

SAME = {
    "Carnet", "Shop", "alice", "bob", "orders", "openid", "localhost", "PKCE", "FAPI", "ES256",
    "carnet:admin", "auth.example.com", "app.example", "alice@example.com", "client_id", "app",
    "authorization_code, refresh_token", "client_secret_basic", "none",
    "authorization_code", "refresh_token",
    "CSV", "JSON", "oidc-client-ts", "00 UTC",
    "ES384", "ES512", "Ed448", "EdDSA", "PS256", "RS256", "carnet", "admin", "operator", "service",
}  # fmt: skip
SHOWN = {"aria-label", "alt", "title", "placeholder", "data-label", "data-there", "data-failed"}


class Said(HTMLParser):
    """What a page says outside ⟦ ⟧, but for code, times and the names of the languages."""

    def __init__(self):
        super().__init__()
        self.left, self.depth, self.inside, self.open = [], 0, 0, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        for name in SHOWN & attributes.keys():
            self._look(attributes[name] or "", 0)
        if tag not in ("input", "meta", "link", "br", "rect", "line", "circle", "img"):
            quiet = (
                tag in ("script", "style", "code", "time")
                or "mono" in (attributes.get("class") or "").split()
            )
            quiet = quiet or (tag != "html" and "lang" in attributes) or self._is_menu(attributes)
            self.open.append((tag, quiet))
            self.inside += quiet

    def handle_endtag(self, tag):
        while self.open:
            found, quiet = self.open.pop()
            self.inside -= quiet
            if found == tag:
                break

    def handle_data(self, data):
        if not self.inside:
            self.depth = self._look(data, self.depth)

    @staticmethod
    def _is_menu(attributes):
        return attributes.get("class") == "languages"

    def _look(self, text, depth):
        outside = ""
        for sign in text:
            depth += (sign == "⟦") - (sign == "⟧")
            if depth == 0:
                outside += sign
        for part in re.split(r"[\n⟧·:]|, ", outside):
            found = part.strip(" .…(),“”")
            if re.search(r"[^\W\d_]", found) and not re.search(r"\d{4}", found):
                self.left.append(found)
        return depth


def escaped(text):
    said = Said()
    said.feed(text)
    return set(said.left) - SAME


def test_no_text_of_a_page_escapes_translation(play, pseudo):
    async def scene(service, clock):
        await register(service, client_name="Shop", scope="openid")
        account = await service.accounts.create("alice", PASSWORD, ["carnet:admin"])
        await service.accounts.create("bob", PASSWORD, [])
        browser, found = browser_of(service, "de"), {}
        stranger = browser_of(service, "de", "bob")
        for path in ("/sign-in?why=again", "/sign-up", "/forgot-password", "/sign-in/mail", "/"):
            found[path] = (await stranger.client.get(path)).text
        for path, form in {
            "/sign-in": {"username": "bob", "password": "wrong-password"},
            "/sign-in?": {"username": "", "password": ""},
            "/sign-up": {"username": "b b", "new_password": "x"},
            "/sign-up?": {"username": "carol", "new_password": "password", "email": "x"},
            "/forgot-password": {"username": ""},
            "/me/password": {"current_password": "x", "new_password": "y"},
            "/link/reset": {"secret": "x"},
            "/sign-in/mail": {"username": "bob"},
        }.items():
            found[f"POST {path}"] = (await stranger.client.post(path, data=form)).text
        await browser.sign_in()
        paths = [*WITHOUT_PARAMETERS, f"/admin/users/{account.id}", "/link/verify?secret=x"]
        paths += ["/admin/clients/client?id=app", "/admin/clients/secret?id=app"]
        paths += [f"/admin/users/{account.id}/delete", "/nothing-here", "/device?user_code=x"]
        paths += ["/authorize?client_id=nobody", "/logout?client_id=app&id_token_hint=x"]
        asked = urlencode(Request().parameters)
        for path in [*paths, f"/authorize?{asked}"]:
            answer = await browser.client.get(path)
            if answer.headers.get("content-type", "").startswith("text/html"):
                found[path] = answer.text
        for path, form in {
            "/me/password": {"current_password": "wrong-password", "new_password": "y" * 20},
            "/me/password?": {"current_password": PASSWORD, "new_password": "y"},
            "/me/emails/new": {"email": "x"},
            "/admin/users/new": {"username": "bob", "new_password": PASSWORD},
            "/me/factors/app": {"code": "1"},
        }.items():
            found[f"POST {path}"] = (await browser.client.post(path, data=form)).text
        clock.now += 3600 * 10**6
        late = await browser.client.post("/me/emails/new", data={"email": "alice@example.com"})
        found["POST late"] = late.text
        return found

    given = {"sign_up": True, "sign_in_by_mail": True, "smtp_host": "127.0.0.1", "smtp_port": 1}
    given |= {
        "smtp_security": "none",
        "mail_from": "no-reply@example.com",
        "audiences": ("orders",),
    }
    pages = play(scene, issuer="https://auth.example.com", **given)
    assert len(pages) > 40
    left = {path: found for path, text in pages.items() if (found := escaped(text))}
    assert not left
