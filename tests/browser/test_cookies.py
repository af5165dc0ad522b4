"""The two cookies: what is written can be read, and only by whom it is for."""

import pytest

from carnet.browser.cookies import MAX_COOKIE, HeldTokens, TokenCookies
from carnet.errors import ConfigurationError


def test_what_is_written_is_read_again_and_kept_from_others():
    cookies = TokenCookies(secure=True, same_site="strict")
    written = cookies.set("a.b-c._", "r-1", 60)
    assert written == [
        "__Host-carnet-access=a.b-c._; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60",
        "__Host-carnet-refresh=r-1; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60",
    ]
    sent = ["theme=dark; " + "; ".join(value.partition(";")[0] for value in written) + "; x=y=z"]
    assert cookies.read(sent) == HeldTokens("a.b-c._", "r-1")
    assert cookies.without(sent) == "theme=dark; x=y=z"
    # Without the prefix it may be anyone's.
    assert TokenCookies(secure=False).read(sent) == HeldTokens(None, None)
    assert all("Max-Age=0" in value for value in cookies.clear())
    assert "Max-Age" not in cookies.set("a", "r", None)[0]


@pytest.mark.parametrize(
    "header",
    [
        "carnet-access=a; carnet-access=b",
        "carnet-access=",
        "carnet-access",
        'carnet-access="a"',
        "",
    ],
)
def test_a_cookie_that_is_not_clearly_ours_is_not_there(header):
    assert TokenCookies(secure=False).read([header]) == HeldTokens(None, None)


def test_a_token_that_no_browser_would_keep_is_told_and_not_repeated():
    cookies = TokenCookies(secure=True)
    fits = "a" * (MAX_COOKIE - len(cookies.access))
    cookies.set(fits, "r", 60)
    with pytest.raises(ConfigurationError, match=r"4097 bytes.*at most 4096") as caught:
        cookies.set(fits + "a", "r", 60)
    assert caught.value.code == "cookie_too_large"
    assert "aaa" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="characters"):
        cookies.set("a; Domain=evil.example", "r", 60)


@pytest.mark.parametrize("options", [{"same_site": "none"}, {"name": ""}, {"name": "a;b"}])
def test_wrong_arguments_are_told_at_once(options):
    with pytest.raises(ConfigurationError):
        TokenCookies(True, **options)
