"""What mails say, and what can't get into their headers."""

import email
from email.policy import default

import pytest
from tests.server.mail.inbox import link_of, text_of

from carnet.errors import ConfigurationError
from carnet.server.mail.letters import LETTERS, Letters
from carnet.server.mail.outbox import Letter
from carnet.server.settings import Settings

GIVEN = {"smtp_host": "127.0.0.1", "mail_from": "Acme <no-reply@acme.example>"}
NOW = 1_800_000_000_000_000


def written(letter, **settings):
    letters = Letters(Settings(**{**GIVEN, **settings}))
    recipient, content = letters.write(letter, "m1", NOW)
    return recipient, email.message_from_bytes(content, policy=default)


@pytest.mark.parametrize("template", LETTERS)
def test_every_mail_is_there_as_text_and_as_html_with_its_link(template):
    recipient, mail = written(Letter(template, "alice@example.com", dict(LETTERS[template])))
    assert recipient == "alice@example.com"
    assert mail["From"] == "Acme <no-reply@acme.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<m1@acme.example>"
    assert "alice" in text_of(mail)
    if "link" in LETTERS[template]:
        assert link_of(mail) == LETTERS[template]["link"]
    else:
        assert LETTERS[template]["code"] in text_of(mail)
        assert LETTERS[template]["code"] in mail.get_body(("html",)).get_content()


def test_a_mail_speaks_the_language_that_it_is_for_and_english_where_that_is_none():
    about = "code", "alice@example.com", dict(LETTERS["code"])
    _, german = written(Letter(*about, "de"))
    _, other = written(Letter(*about, "xx"))
    assert german["Subject"] == "1234 5678 ist Ihr Code für Carnet"
    assert '<html lang="de">' in german.get_body(("html",)).get_content()
    assert other["Subject"] == "1234 5678 is your code for Carnet"


def events():
    letters = Letters(Settings(**GIVEN))
    template = letters._environment.get_template("notice_words.txt")
    return list(template.make_module(dict(LETTERS["notice"])).subjects)


@pytest.mark.parametrize("event", events())
def test_every_notice_has_its_words(event):
    values = {**LETTERS["notice"], "event": event}
    _, mail = written(Letter("notice", "alice@example.com", values))
    assert mail["Subject"].endswith("(Carnet)")
    assert mail["Subject"].removesuffix(" (Carnet)") in mail.get_body(("html",)).get_content()


NASTY = "Eve\r\nBcc: everybody@example.com\r\n\r\n<script>alert(1)</script>"


def test_no_value_gets_into_a_header_or_into_the_markup():
    values = dict.fromkeys(LETTERS["reset"], NASTY) | {"link": "https://a.example/link/reset"}
    _, mail = written(Letter("reset", "alice@example.com", values), brand_name="A\nB: c")
    assert mail["Bcc"] is None
    assert mail["B"] is None
    assert mail["Subject"] == "Choose a new password for A"
    assert "<script>" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    "address", ["alice@example.com\r\nBcc: b@example.com", "", "alice", '"a b"@example.com']
)
def test_what_is_no_address_gets_no_mail(address):
    with pytest.raises(ValueError, match="address"):
        written(Letter("reset", address, dict(LETTERS["reset"])))


def test_a_domain_of_other_letters_is_written_in_ascii():
    recipient, mail = written(Letter("reset", "zoe@bücher.example", dict(LETTERS["reset"])))
    assert recipient == mail["To"] == "zoe@xn--bcher-kva.example"


def test_an_operator_replaces_one_template_and_keeps_the_others(tmp_path):
    (tmp_path / "reset.txt").write_text("Subject: Passwort\n\nHallo {{ username }}: {{ link }}\n")
    letter = Letter("reset", "alice@example.com", dict(LETTERS["reset"]))
    _, mail = written(letter, mail_templates=str(tmp_path))
    assert mail["Subject"] == "Passwort"
    assert text_of(mail).startswith("Hallo alice: https://")
    assert "Choose a new password" in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    "text",
    ["no subject\n", "Subject: x\n{{ nothing_of_this_name }}", "Subject: {% if %}", "\xff"],
)
def test_a_template_that_can_not_be_used_ends_the_start(tmp_path, text):
    (tmp_path / "reset.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="mail_templates"):
        Letters(Settings(**GIVEN, mail_templates=str(tmp_path)))


def test_a_folder_that_is_not_there_ends_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match="no folder"):
        Letters(Settings(**GIVEN, mail_templates=str(tmp_path / "x")))
