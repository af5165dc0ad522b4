"""Schemes of addresses that may belong to an app on somebody's device (RFC 8252 section 7.1).

A native app gets its answers at a scheme of its own, such as ``com.example.app`` or ``cursor``.
Whatever a browser or a system acts on itself is no app's own: an answer that is sent there runs as
a script, opens a file, or goes into a message or to a website.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["why_no_app_owns"]

# RFC 3986 section 3.1. Registered in lower case alone: another case would be the same scheme to
# browsers, and another text to every comparison.
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.\-]{0,63}")

# Why an answer never goes there, and the schemes; a name with * at its end is a beginning.
_TAKEN: Final[tuple[tuple[str, str], ...]] = (
    ("is the web's: it needs https, and a host", "http https"),
    ("runs a script", "javascript livescript mocha vbscript"),
    (
        "is a document that a browser makes by itself, for whoever wrote the address",
        "about blob cid data feed filesystem jar mhtml mid mk pcast view-source wyciwyg",
    ),
    (
        "is a part of a browser, or of what is installed in it",
        "brave browser chrome chrome-* devtools edge extension moz-* ms-browser-extension opera "
        "res resource safari-* vivaldi",
    ),
    (
        "opens a website in another browser",
        "firefox firefox-* googlechrome* microsoft-edge* open-url x-safari-*",
    ),
    (
        "is a file on the device or in its network",
        "afp cifs content dav davs file fonts nfs smb smb2",
    ),
    (
        "is a connection that a browser or the system opens itself",
        "dict finger ftp ftps gopher imap imaps ldap ldaps news nntp pop pop3 rdp rlogin rsync "
        "rtmp rtsp sftp snews ssh svn telnet tftp tn3270 vnc wais ws wss",
    ),
    (
        "is a message or a call",
        "callto facetime* im mailto message mms mmsto sip sips sms smsto tel wtai xmpp",
    ),
    (
        "is what a website may have itself made the handler of",
        "bitcoin cabal dat did doi dweb ethereum ext+* geo hyper ipfs ipns irc ircs magnet matrix "
        "openpgp4fpr ssb urn web+* webcal webcals",
    ),
    (
        "lets an address choose the app, or what the system does",
        "android-app app-prefs app-settings applescript cdl hcp help intent itms* its macappstore "
        "macappstores maps market ms-* prefs search search-ms settings shell shortcuts windows.* "
        "windowsdefender workflow x-apple* x-help-* x-man-page",
    ),
)


def _table() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    pairs = [(name, reason) for reason, names in _TAKEN for name in names.split()]
    exact = {name: reason for name, reason in pairs if not name.endswith("*")}
    return exact, tuple((name[:-1], reason) for name, reason in pairs if name.endswith("*"))


_EXACT, _BEGINNINGS = _table()


def why_no_app_owns(scheme: str) -> str:
    """Tell why a scheme can't be an app's own; "" where it can.

    Args:
        scheme: what stands before the first colon of an address, as it is written.
    """
    if _SCHEME.fullmatch(scheme) is None:
        return "is not written as RFC 3986 has it, in lower case"
    if scheme in _EXACT:
        return _EXACT[scheme]
    return next((reason for beginning, reason in _BEGINNINGS if scheme.startswith(beginning)), "")
