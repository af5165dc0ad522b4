"""What mails say: made of templates, each as text and as HTML, which an operator can replace.

The first line of a text is its subject. What people have typed stands in the body alone, and in the
header only as an address that was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Final

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    select_autoescape,
)

from carnet.errors import ConfigurationError
from carnet.server.clock import SECOND
from carnet.server.languages import speaking, translate_templates
from carnet.server.mail.outbox import Letter
from carnet.server.mail_addresses import read_mail_address
from carnet.server.settings import Settings

__all__ = ["LETTERS", "Letters"]

_SUBJECT: Final = "Subject:"

_SAMPLE_NOTICE: Final = {
    "username": "alice",
    "detail": "Firefox on Linux",
    "from_where": "192.0.2.1",
    "when": "27 Nov 2026, 12:00 UTC",
    "link": "https://auth.example.com/link/not-me?secret=x",
}
_SAMPLE_LINK: Final = {
    "username": "alice",
    "address": "alice@example.com",
    "link": "https://auth.example.com/link/reset?secret=x",
    "good_for": "30 minutes",
}
LETTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "reset": _SAMPLE_LINK,
    "invite": _SAMPLE_LINK,
    "verify": {**_SAMPLE_LINK, "code": "1234 5678"},
    "code": {"username": "alice", "code": "1234 5678"},
    "notice": {**_SAMPLE_NOTICE, "event": "password_changed"},
}
"""The templates, and values with which each is tried at the start."""


class Letters:
    """Writes mails.

    Args:
        settings: the sender, the brand, and the operator's own templates.

    Raises:
        ConfigurationError: if one of the templates can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        own = [FileSystemLoader(settings.mail_templates)] if settings.mail_templates else []
        self._environment = Environment(
            loader=ChoiceLoader([*own, PackageLoader("carnet.server.mail")]),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        translate_templates(self._environment)
        self._brand = settings.brand_name
        self._host = settings.own_url.partition("://")[2]
        name, address = parseaddr(settings.mail_from)
        sender = read_mail_address(address)
        self._name = name or settings.brand_name
        self.sender = "" if sender is None else sender.deliverable
        self._check(settings.mail_templates)

    def write(self, letter: Letter, mail_id: str, now: int) -> tuple[str, bytes]:
        """Write a mail.

        Args:
            letter: what it says.
            mail_id: names it: sent twice, it is known as one.
            now: microseconds since 1970.

        Returns:
            The address to send it to, and the mail.

        Raises:
            ValueError: if the address can't be one.
        """
        address = read_mail_address(letter.to)
        if address is None:
            raise ValueError("the address can't be one")
        with speaking(letter.language):
            subject, text = self._text(letter.template, letter.values)
            page = self._render(f"{letter.template}.html", letter.values)
        message = EmailMessage(SMTP)
        message["From"] = Address(self._name, addr_spec=self.sender)
        message["To"] = Address(addr_spec=address.deliverable)
        message["Subject"] = subject
        message["Date"] = format_datetime(datetime.fromtimestamp(now // SECOND, UTC))
        message["Message-ID"] = f"<{mail_id}@{self.sender.rpartition('@')[2]}>"
        # No answering machine answers (RFC 3834 section 5).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        message.add_alternative(page, "html")
        return address.deliverable, message.as_bytes()

    def _text(self, template: str, values: Mapping[str, str]) -> tuple[str, str]:
        said = self._render(f"{template}.txt", values).lstrip()
        first, _, text = said.partition("\n")
        if not first.startswith(_SUBJECT):
            raise ValueError(f"the first line of {template}.txt is '{_SUBJECT} …'")
        # Whatever a value holds, a subject is one line.
        return " ".join(first.removeprefix(_SUBJECT).split()), text.lstrip("\n")

    def _render(self, name: str, values: Mapping[str, str]) -> str:
        template = self._environment.get_template(name)
        return template.render(values, brand_name=self._brand, host=self._host)

    def _check(self, folder: str) -> None:
        if folder and not Path(folder).is_dir():
            raise ConfigurationError(
                f"the setting mail_templates names {folder}, which is no folder"
            )
        for template, values in LETTERS.items():
            try:
                self._text(template, values)
                self._render(f"{template}.html", values)
            except (TemplateError, ValueError, OSError) as error:
                raise ConfigurationError(
                    f"the mail template {template} of the setting mail_templates can't be used: "
                    f"{error}"
                ) from None
