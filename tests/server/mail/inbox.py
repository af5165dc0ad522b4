"""A real mail server, aiosmtpd's, in the test's process: what it has taken, what it answers."""

from __future__ import annotations

import asyncio
import email
import html
import re
from contextlib import asynccontextmanager
from email.policy import default

from aiosmtpd.smtp import SMTP
from tests.ports import free_ports

LINK = re.compile(r"https?://\S+/link/\S+")


class Inbox:
    """The server, and the mails that it has taken."""

    def __init__(self):
        self.port = free_ports(1)
        self.envelopes = []
        self.signed_in = []
        # What it answers instead of "250 OK", by the verb; a text that is used once.
        self.answers = {}
        self.drops = 0

    @property
    def settings(self):
        """What tells a service of it."""
        return {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "none",
            "mail_from": "Acme <no-reply@acme.example>",
        }

    @asynccontextmanager
    async def open(self, tls=None, **options):
        """Listen, with TLS from the beginning where there is a context for it."""
        loop = asyncio.get_running_loop()
        connections = []

        def connected():
            connections.append(SMTP(self, hostname="mail.example", loop=loop, **options))
            return connections[-1]

        server = await loop.create_server(connected, "127.0.0.1", self.port, ssl=tls)
        try:
            yield self
        finally:
            server.close()
            for one in connections:
                if one.transport is not None:
                    one.transport.abort()
            # A socket is closed in the next round of the loop.
            await asyncio.sleep(0)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.answers.pop("RCPT", None)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.answers.pop("DATA", "250 OK")
        if self.drops:
            self.drops -= 1
            server.transport.abort()
        if answer.startswith("2"):
            self.envelopes.append(envelope)
            self.signed_in.append(session.authenticated)
        return answer

    @property
    def mails(self):
        return [email.message_from_bytes(one.content, policy=default) for one in self.envelopes]

    @property
    def subjects(self):
        return [mail["Subject"] for mail in self.mails]

    def to(self, address):
        """The mails to an address."""
        return [mail for mail in self.mails if mail["To"] == address]


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


def link_of(mail):
    """The link of a mail; the HTML has the same."""
    [found] = LINK.findall(text_of(mail))
    assert found in html.unescape(mail.get_body(("html",)).get_content())
    return found
