"""The directories whose people sign in here with the passwords that they have there."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError
from carnet.server.clock import Clock
from carnet.server.directory_settings import DirectorySettings
from carnet.server.secret_files import HOW_TO_HIDE, is_exposed
from carnet.server.settings import LOOPBACK, Settings
from carnet.server.upstream.mapping import check_mapping
from carnet.server.upstream.provider import Asserted, UpstreamRefused

__all__ = ["Directories", "DirectoryPerson"]

MOST_SECRET: Final = 1024
_FILTER: Final = re.compile(r"\(.*\)", re.DOTALL)


class DirectoryPerson(NamedTuple):
    """Somebody whose password was right in a directory.

    Attributes:
        settings: the directory's.
        said: what it says of them.
    """

    settings: DirectorySettings
    said: Asserted


class Directories:
    """The directories.

    Args:
        settings: which there are.
        clock: gives the microseconds since 1970.

    Attributes:
        labels: what people call them, by what stands with their people's identities.

    Raises:
        ConfigurationError: naming the directory, the member and what was expected.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings.directories
        self.labels: Mapping[str, str] = {
            f"ldap:{name}": given.label or name.capitalize()
            for name, given in self._settings.items()
        }
        for name, given in self._settings.items():
            _check(name, given)
        self._asked = {}
        if self._settings:
            try:
                from carnet.server.upstream.ldap_directory import LdapDirectory
            except ModuleNotFoundError as error:
                raise ConfigurationError(
                    "the setting directories needs python-ldap: pip install 'carnet[ldap]', which "
                    "needs a C compiler, libldap2-dev and libsasl2-dev"
                ) from error
            self._asked = {
                name: LdapDirectory(name, given, partial(_read_password, name, given), clock)
                for name, given in self._settings.items()
            }

    async def sign_in(
        self, username: str, password: str, trusted: Container[str] | None
    ) -> DirectoryPerson | None:
        """Give whose a name and a password are, in the first directory that knows them.

        Args:
            username: as it was typed.
            password: as it was typed.
            trusted: those that may be told the password, by what stands with their people's
                identities; None is for all. The others are asked as if, so that it takes as long.

        Raises:
            TooBusy: if too many sign in at this moment.
            UpstreamRefused: ``unavailable``, where one that might know them does not answer, or
                ``account_disabled``.
        """
        unavailable: UpstreamRefused | None = None
        for name, directory in self._asked.items():
            decoy = trusted is not None and directory.issuer not in trusted
            try:
                said = await directory.check(username, password, decoy=decoy)
            except UpstreamRefused as error:
                if error.code != "unavailable":
                    raise
                unavailable = error
                continue
            if said is not None:
                return DirectoryPerson(self._settings[name], said)
        if unavailable is not None:
            raise unavailable
        return None

    def check_secrets(self) -> None:
        """Read what this service signs in to them with.

        Raises:
            ConfigurationError: naming the directory and the file that can't be used.
        """
        for name, given in self._settings.items():
            if given.bind_dn:
                _read_password(name, given)

    def close(self) -> None:
        """End what is under way."""
        for directory in self._asked.values():
            directory.close()


def _check(name: str, given: DirectorySettings) -> None:
    check_mapping(given, given.required, partial(_wrong, name))
    if "{username}" not in given.user_filter or _FILTER.fullmatch(given.user_filter) is None:
        raise _wrong(name, "user_filter", "it is a filter with {username}, as (uid={username})")
    if given.group_filter and _FILTER.fullmatch(given.group_filter) is None:
        raise _wrong(name, "group_filter", "it is a filter, as (member={dn})")
    if bool(given.bind_dn) != bool(given.bind_password_file):
        raise _wrong(name, "bind_password_file", "give it and bind_dn, or neither")
    for url in given.urls:
        parts = urlsplit(url)
        if parts.scheme == "ldap" and not given.start_tls and parts.hostname not in LOOPBACK:
            raise _wrong(
                name, "start_tls", f"{url} is on another machine: passwords would go there unhidden"
            )


def _read_password(name: str, given: DirectorySettings) -> str:
    file = given.bind_password_file
    try:
        if is_exposed(Path(file)):
            raise _wrong(
                name,
                "bind_password_file",
                f"others can read {file}; {HOW_TO_HIDE.format(file)}",
            )
        with Path(file).open("r", encoding="utf-8") as opened:
            found = opened.read(MOST_SECRET).strip("\r\n")
    except OSError as error:
        raise _wrong(name, "bind_password_file", f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _wrong(name, "bind_password_file", f"{file} is not text") from None
    if not found:
        raise _wrong(name, "bind_password_file", f"{file} is empty")
    return found


def _wrong(name: str, member: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"the setting directories: {name}.{member}: {text}")
