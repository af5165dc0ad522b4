"""Which e-mail addresses are taken, and the one form under which each is looked up."""

import pytest

from carnet.server.mail_addresses import read_mail_address


@pytest.mark.parametrize(
    ("typed", "deliverable", "normalized"),
    [
        ("alice@example.com", "alice@example.com", "alice@example.com"),
        (" Alice.B+x@Example.COM ", "Alice.B+x@example.com", "alice.b+x@example.com"),
        ("zoe@bücher.example", "zoe@xn--bcher-kva.example", "zoe@xn--bcher-kva.example"),
        ("zoe@BÜCHER.example", "zoe@xn--bcher-kva.example", "zoe@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example", "a@xn--strae-oqa.example"),
    ],
)
def test_an_address_is_kept_as_typed_and_looked_up_in_one_form(typed, deliverable, normalized):
    found = read_mail_address(typed)
    assert (found.typed, found.deliverable, found.normalized) == (
        typed.strip(),
        deliverable,
        normalized,
    )


@pytest.mark.parametrize(
    "typed",
    [
        *("", "@", "alice", "alice@", "@example.com", "alice@localhost", "a b@example.com"),
        *("alice@example.com\r\nBcc: x@example.com", "alice@exam\nple.com", "alice\n@example.com"),
        *("a@b@example.com", '"a"@example.com', "a..b@example.com", ".a@example.com"),
        *("a.@example.com", "a@-x.example", "a@x-.example", "a@x..example", "a@[127.0.0.1]"),
        # Letters that look like others, or change when they are written small.
        *("mıke@example.com", "аlice@example.com", "ＡＬＩＣＥ@example.com", "weiß@example.com"),
        *("a@example.com>", "<a@example.com", "a,b@example.com", "a;b@example.com", "a\x00@x.com"),
        *(f"{'a' * 65}@example.com", f"a@{'b' * 250}.com", f"a@{'é' * 200}.com", "a@\ud800.com"),
    ],
)
def test_what_is_no_address_is_not_taken(typed):
    assert read_mail_address(typed) is None
