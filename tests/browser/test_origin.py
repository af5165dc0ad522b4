"""The judgement where a request comes from, row by row of the module's table."""

import pytest

from carnet.browser.origin import comes_from_own_pages

OWN = "https://app.example.com"
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FRAME = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
IMAGE = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "WEBSOCKET", "get", ""])
@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site", "none", "", "else"])
@pytest.mark.parametrize("kind", [PAGE, FRAME, IMAGE, {}])
def test_fetch_metadata_decides_whatever_the_origin_header_says(method, site, kind):
    safe = method in ("GET", "HEAD")
    expected = site == "same-origin" or (safe and (site == "none" or kind is PAGE))
    for origin in ({}, {"origin": OWN}, {"origin": "https://evil.example"}):
        headers = {"sec-fetch-site": site, **kind, **origin}
        assert comes_from_own_pages(method, headers, OWN) is expected
        wider = comes_from_own_pages(method, headers, OWN, same_site=True)
        assert wider is (expected or site == "same-site")


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://app.example.com.evil.example", "http://app.example.com", f"{OWN}:444"],
)
def test_without_fetch_metadata_the_origin_must_be_one_s_own(origin):
    for method in ("GET", "POST", "WEBSOCKET"):
        assert not comes_from_own_pages(method, {"origin": origin}, OWN)
        assert comes_from_own_pages(method, {"origin": OWN}, OWN)


def test_what_says_neither_may_only_read():
    assert comes_from_own_pages("GET", {}, OWN)
    assert not comes_from_own_pages("POST", {}, OWN)
    assert not comes_from_own_pages("WEBSOCKET", {}, OWN)
