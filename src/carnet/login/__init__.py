"""Signing a person in at a terminal: for command lines of any kind."""

from carnet.login.terminal_session import TerminalSession
from carnet.verifier.token_store import FileStore, TokenStore

__all__ = ["FileStore", "TerminalSession", "TokenStore"]
