"""``carnet revocations``: what an issuer tells its verifiers, as it happens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from carnet.cli import ink
from carnet.cli.options import echo_json, json_option
from carnet.errors import IssuerUnavailable
from carnet.jwt.key_source import KeySource
from carnet.verifier.connections import Connections
from carnet.verifier.fetch import check_address, refresh
from carnet.verifier.follower import events
from carnet.verifier.revocations import read_event

__all__ = ["revocations"]

RETRY_SECONDS = 2
MEANINGS = {
    "sid": "this session has ended",
    "sub": "older tokens of this account are stale",
    "jti": "this token is refused",
}


@click.group()
def revocations() -> None:
    """Look at an issuer's revocations."""


@revocations.command()
@click.option("--issuer", required=True, metavar="URL", help="Whose.")
@click.option("--heartbeats", is_flag=True, help="Also show the stream's heartbeats.")
@json_option
def follow(issuer: str, heartbeats: bool, as_json: bool) -> None:
    """Show which sessions, accounts and tokens are refused, as they come, until Ctrl-C.

    Every event is verified with the issuer's keys. With --json each entry is one line.

    \b
    Examples:
      carnet revocations follow --issuer https://auth.example.com
      carnet revocations follow --issuer http://127.0.0.1:8400 --json | jq .kind
    """
    check_address(issuer)
    source = KeySource(issuer)
    position = None
    while True:
        try:
            _fetch_keys(source)
            for data in events(_address(source), position, Connections()):
                event = _verified(data, source)
                position = event["seq"]
                _show(event, heartbeats, as_json)
        except IssuerUnavailable as error:
            click.echo(f"carnet: {error}; trying again", err=True)
        time.sleep(RETRY_SECONDS)


def _fetch_keys(source: KeySource) -> None:
    refresh(source, time.time())
    if source.keys is None:
        raise source.unavailable()


def _address(source: KeySource) -> str:
    if source.revocations_uri is None:
        raise IssuerUnavailable(f"{source.issuer} publishes no revocations_uri")
    return source.revocations_uri


def _verified(data: str, source: KeySource) -> dict[str, Any]:
    for _ in range(2):
        if source.keys is None:
            break
        try:
            return read_event(data, source.keys, source.issuer)
        except IssuerUnavailable:
            # It may be signed by a key that is new.
            _fetch_keys(source)
    raise IssuerUnavailable(f"an event of {source.issuer} is not signed by its keys")


def _show(event: dict[str, Any], heartbeats: bool, as_json: bool) -> None:
    if event["event"] == "heartbeat" and not heartbeats:
        return
    if as_json:
        if event["event"] == "heartbeat":
            echo_json({"event": "heartbeat", "seq": event["seq"], "at": event["iat"]})
        for kind, value, *version in event["entries"]:
            entry = {"event": event["event"], "seq": event["seq"], "at": event["iat"]}
            echo_json({**entry, "kind": kind, "value": value, "version": next(iter(version), None)})
        return
    at = datetime.fromtimestamp(event["iat"], UTC).strftime("%H:%M:%S")
    if event["event"] != "increment":
        click.echo(ink.faint(f"{at}  {event['event']}, position {event['seq']}"))
    for kind, value, *version in event["entries"]:
        told = f" at version {version[0]}" if version else ""
        click.echo(f"{at}  {ink.refused(kind)}  {value}{told}  {ink.faint(MEANINGS[kind])}")
