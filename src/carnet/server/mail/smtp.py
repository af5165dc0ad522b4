"""A mail server, and why it has not taken a mail."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from carnet.errors import CarnetError
from carnet.server.deadline import within
from carnet.server.settings import Settings

if TYPE_CHECKING:
    import aiosmtplib

__all__ = ["MailServer", "NotSent"]

ANSWER_SECONDS: Final = 15.0
"""How long the server may take for one answer."""
WHOLE_SECONDS: Final = 45.0
"""How long for a mail; one that answers a byte at a time gets no longer."""

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class NotSent(CarnetError):
    """A mail was not taken.

    Codes: ``refused``, for good; ``postponed``, for now; ``server``, where it is the server that
    takes none.
    """


class MailServer:
    """The mail server of the settings; one connection carries several mails.

    Args:
        settings: where it is, and what it demands.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: aiosmtplib.SMTP | None = None

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Send a mail; once this returns, the server answers for it.

        Raises:
            NotSent: saying why.
        """
        try:
            await within(WHOLE_SECONDS, self._send(sender, recipient, message))
        except Exception as error:
            refusal = _why(error)
            if refusal.code == "server":
                self.close()
            raise refusal from None

    async def quit(self) -> None:
        """Say goodbye, so that the server has no broken connection in its log."""
        if self._connection is not None:
            with suppress(Exception):
                await within(ANSWER_SECONDS, self._connection.quit())
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    async def _send(self, sender: str, recipient: str, message: bytes) -> None:
        if self._connection is None:
            self._connection = await self._connect(sender.rpartition("@")[2])
        await self._connection.sendmail(sender, recipient, message)

    async def _connect(self, name: str) -> aiosmtplib.SMTP:
        # Only who sends mail pays for it.
        import aiosmtplib

        settings = self._settings
        security = settings.smtp_security
        connection = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port or _PORTS[security],
            username=settings.smtp_username or None,
            password=settings.smtp_password or None,
            # What this machine calls itself is nobody's business, and looking for it may take long.
            local_hostname=name,
            timeout=ANSWER_SECONDS,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=None if security == "none" else ssl.create_default_context(),
        )
        try:
            await connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _why(error: Exception) -> NotSent:
    """Say why a mail was not taken; a server's own words may quote whom it was for."""
    import aiosmtplib

    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        text = f"the mail server has answered {error.code}"
        if error.code >= 500:
            return NotSent(text, code="refused")
        return NotSent(text, code="postponed")
    if isinstance(error, TimeoutError):
        return NotSent("the mail server does not answer in time", code="server")
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return NotSent(
            f"the mail server rejects smtp_username or smtp_password ({error.code})",
            code="server",
        )
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return NotSent(
            f"the mail server rejects the sender in mail_from ({error.code})", code="server"
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return NotSent(f"the mail server has answered {error.code}", code="server")
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(
        error.__cause__, ssl.SSLCertVerificationError
    ):
        return NotSent("the mail server's certificate can't be verified", code="server")
    if isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, OSError):
        return NotSent(
            "the mail server does not offer what the settings require: STARTTLS, or a way to "
            "sign in",
            code="server",
        )
    return NotSent(f"the mail server can't be reached ({type(error).__name__})", code="server")
