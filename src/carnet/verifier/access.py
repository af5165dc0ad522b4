"""How an issuer is reached, where that is more than a public https address.

What is configured for an issuer counts for the addresses that are configured: headers and tokens
of a file are never sent to another origin, and http:// never reaches another host, whatever the
issuer's metadata says.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError, IssuerUnavailable

__all__ = ["DIRECT", "Access", "check_address", "on_loopback"]

_FORBIDDEN: Final = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding"})


@dataclass(frozen=True, eq=False)
class Access:
    """What requests to an issuer need.

    Attributes:
        headers: sent with each request to a configured origin; they may hold secrets.
        bearer_file: a file with a token, read anew for each request, sent likewise.
        context: what TLS connections are made with, or None for the public authorities.
        origins: the configured origins.
        plain_hosts: hosts that may be asked over http://.
        file: the address of a key set in a file, or None.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    bearer_file: Path | None = None
    context: ssl.SSLContext | None = None
    origins: frozenset[str] = frozenset()
    plain_hosts: frozenset[str] = frozenset()
    file: str | None = None

    @classmethod
    def make(
        cls,
        addresses: Iterable[str],
        *,
        headers: Mapping[str, str] | None = None,
        bearer_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        ssl_context: ssl.SSLContext | None = None,
        insecure_http: bool | None = None,
        file: Path | None = None,
    ) -> Access:
        """Check what was configured.

        Args:
            addresses: the configured addresses.
            headers: to send there.
            bearer_file: a file with a token to send there.
            ca_file: PEM of the authorities to trust instead of the public ones.
            ssl_context: for anything else about TLS, instead of ``ca_file``.
            insecure_http: whether these addresses may begin with http://.
            file: a file with a key set.

        Raises:
            ConfigurationError: saying what was expected.
        """
        addresses = list(addresses)
        if insecure_http not in (None, False, True):
            raise ConfigurationError("insecure_http must be True or False")
        plain = frozenset(filter(None, map(_plain_host, addresses if insecure_http else ())))
        for address in addresses:
            check_address(address, plain)
        return cls(
            _headers(headers or {}),
            None if bearer_file is None else _existing(bearer_file, "bearer_file"),
            _context(ca_file, ssl_context),
            frozenset(map(_origin, addresses)),
            plain,
            None if file is None else _existing(file, "keys").absolute().as_uri(),
        )

    def headers_for(self, address: str) -> dict[str, str]:
        """Give the headers to send to an address.

        Raises:
            IssuerUnavailable: if the token's file can't be read.
        """
        if not self.origins or _origin(address) not in self.origins:
            return {}
        if self.bearer_file is None:
            return dict(self.headers)
        return {**self.headers, "Authorization": f"Bearer {_token(self.bearer_file)}"}


DIRECT: Final = Access()
"""Nothing but an address."""


def check_address(address: str, plain_hosts: frozenset[str] = frozenset()) -> None:
    """Check that an address is https, or on this machine, and fit for a line of text.

    Args:
        address: the address.
        plain_hosts: hosts that may be asked over http:// all the same.

    Raises:
        ConfigurationError: saying what was expected.
    """
    if isinstance(address, str) and address.isprintable() and " " not in address:
        try:
            parts = urlsplit(address)
            secure = parts.scheme == "https" or (
                parts.scheme == "http" and (on_loopback(address) or parts.hostname in plain_hosts)
            )
            if secure and parts.hostname and parts.port != 0 and "@" not in parts.netloc:
                return
        except ValueError:
            pass
    raise ConfigurationError(
        "an issuer's address must begin with https://, or with http:// and a loopback address; "
        "insecure_http=True allows http:// inside a private network"
    )


def on_loopback(address: str) -> bool:
    """Tell whether an address is on this machine: 127.0.0.0/8, ::1 or localhost."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _plain_host(address: str) -> str | None:
    """Give the host of an http:// address that may be inside a private network."""
    try:
        parts = urlsplit(address)
        if parts.scheme != "http" or parts.hostname is None:
            return None
        host = parts.hostname
    except (ValueError, AttributeError):
        # It is no address, which is told by the check of all of them.
        return None
    try:
        private = not ip_address(host).is_global
    except ValueError:
        # A name: who says insecure_http knows where it leads.
        private = True
    if not private:
        raise ConfigurationError(
            "insecure_http is for a private network: this address is a public one, use https://"
        )
    return host


def _origin(address: str) -> str:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _headers(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping) or not all(
        isinstance(name, str)
        and isinstance(value, str)
        and name.replace("-", "").isalnum()
        and name.isascii()
        and value.isascii()
        and value.isprintable()
        and name.lower() not in _FORBIDDEN
        for name, value in headers.items()
    ):
        raise ConfigurationError(
            "headers must map names to visible ASCII text, such as {'X-Api-Key': '…'}"
        )
    return dict(headers)


def _existing(file: Any, what: str) -> Path:
    if not isinstance(file, str | Path) or not Path(file).is_file():
        raise ConfigurationError(f"{what} must name an existing file")
    return Path(file)


def _context(ca_file: Any, given: Any) -> ssl.SSLContext | None:
    if ca_file is not None and given is not None:
        raise ConfigurationError("give a ca_file or an ssl_context, not both")
    if given is not None:
        if not isinstance(given, ssl.SSLContext):
            raise ConfigurationError("ssl_context must be an ssl.SSLContext")
        if given.verify_mode != ssl.CERT_REQUIRED or not given.check_hostname:
            raise ConfigurationError(
                "the ssl_context does not check the issuer's certificate and its name: anyone on "
                "the way could hand out keys; ca_file trusts an authority of your own"
            )
        return given
    if ca_file is None:
        return None
    file = _existing(ca_file, "ca_file")
    try:
        return ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError):
        raise ConfigurationError("ca_file holds no certificates in PEM") from None


def _token(file: Path) -> str:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError):
        raise IssuerUnavailable(f"the bearer_file {file} can't be read") from None
    if not text or not text.isprintable() or " " in text:
        raise IssuerUnavailable(f"the bearer_file {file} contains no token")
    return text
