"""A person with a browser that has no screen: signs in, and allows what is asked for."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


class _Form(HTMLParser):
    """The form of a page that signs in or lets in; others, such as for signing out, are skipped."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self._inside = None, {}, False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form" and given["action"].endswith(("/sign-in", "/authorize/decision")):
            self.action, self._inside = given["action"], True
        elif tag == "input" and self._inside and given.get("type") == "hidden":
            self.fields[given["name"]] = given.get("value") or ""

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "form"


class Person:
    """Somebody with an account.

    Attributes:
        seen: the texts of the pages, in order.
    """

    def __init__(self, username, password):
        self._typed = {"username": username, "password": password}
        self._browser = httpx.Client(trust_env=False, timeout=60)
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._browser.close()

    def let_in(self, url, decision="allow"):
        """Open a client's authorization request, and give the address that it ends at."""
        home = urlsplit(url).netloc
        answer = self._browser.get(url)
        for _ in range(10):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if urlsplit(target).netloc != home:
                    return target
                answer = self._browser.get(target)
                continue
            assert answer.status_code == 200, answer.text
            self.seen.append(answer.text)
            form = _Form(answer.text)
            assert form.action, answer.text
            more = self._typed if "sign-in" in form.action else {"decision": decision}
            origin = f"{answer.url.scheme}://{home}"
            answer = self._browser.post(
                urljoin(str(answer.url), form.action),
                data={**form.fields, **more},
                headers={"Origin": origin},
            )
        raise AssertionError("the pages lead round in a circle")
