"""``carnet gate``: lets a reverse proxy ask whether a request may pass."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from carnet.cli.durations import parse_duration
from carnet.cli.serving import serve_app
from carnet.cli.verifier_options import issuer_of, options_of, verifier_options
from carnet.errors import ConfigurationError
from carnet.listening import listen, loop_factory, url_of
from carnet.verifier import ProtectedResource
from carnet.verifier.gate import Gate

__all__ = ["gate"]


@click.command()
@click.option(
    "--issuer",
    "issuers",
    multiple=True,
    required=True,
    metavar="URL",
    help="The issuer to trust: an address, or a profile such as auth0:acme.eu.auth0.com; may be "
    "repeated.",
)
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    metavar="NAME",
    help="The audience that tokens must have; may be repeated.",
)
@click.option(
    "--resource",
    metavar="URL",
    help="The public address of the service behind the gate, by which clients find the issuer.",
)
@click.option(
    "--resource-scope",
    "scopes_supported",
    multiple=True,
    metavar="NAME",
    help="A scope that clients need in order to use it at all; may be repeated.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8410,
    show_default=True,
    metavar="PORT",
    help="Port to listen on.",
)
@click.option(
    "--cookie",
    metavar="NAME",
    help="Read the access token from this cookie where there is no Authorization header.",
)
@click.option("--origin", metavar="URL", help="The origin whose pages may send that cookie.")
@click.option(
    "--claim",
    "passed_claims",
    multiple=True,
    metavar="NAME",
    help="Also pass this claim on, as X-Auth-Claim-NAME; may be repeated.",
)
@click.option(
    "--prefix",
    default="X-Auth-",
    show_default=True,
    metavar="TEXT",
    help="The prefix of the header names.",
)
@click.option(
    "--preflight",
    is_flag=True,
    help="Let CORS preflight requests through without a token.",
)
@click.option(
    "--revocations",
    type=click.Choice(["off", "best_effort", "required"]),
    default="best_effort",
    show_default=True,
    help="Whether ended sessions are refused, and what happens when the issuer is silent.",
)
@click.option(
    "--leeway",
    default="0",
    metavar="TIME",
    help="The tolerance for clocks that differ, such as 30s.",
)
@verifier_options
def gate(
    issuers: tuple[str, ...],
    audiences: tuple[str, ...],
    host: str,
    port: int,
    leeway: str,
    resource: str | None,
    scopes_supported: tuple[str, ...],
    **given: Any,
) -> None:
    """Answer nginx, Traefik, Caddy or Envoy whether a request may pass.

    The proxy asks /verify with the request's headers: 200 with who it is in X-Auth-… headers, else
    401 or 403. `?role=NAME` and `?scope=NAME` there ask for more.

    \b
    Examples:
      carnet gate --issuer https://auth.example.com --audience orders
      carnet gate --issuer https://auth.example.com --resource https://mcp.example.com/mcp
      carnet gate --issuer keycloak:https://sso.example.com,shop --audience orders
      carnet gate --issuer https://auth.example.com --audience orders \\
        --cookie __Host-carnet-access --origin https://app.example.com
    """
    options = {**options_of(given), "leeway": parse_duration(leeway)}
    if resource is not None:
        options["resource"] = ProtectedResource(resource, scopes_supported=scopes_supported or None)
    elif scopes_supported:
        raise ConfigurationError("--resource-scope goes with --resource")
    trusted = [issuer_of(issuer) for issuer in issuers]
    gate = Gate(trusted, audiences or None, **given, **options)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(gate, host, port))


async def _serve(gate: Gate, host: str, port: int) -> None:
    with listen(host, port) as listener:
        for problem in await gate.prepare():
            click.echo(f"carnet: refusing every request until this is fixed: {problem}", err=True)

        def announce() -> None:
            print(f"carnet: gate on {url_of(listener)}/verify", file=sys.stderr, flush=True)

        await serve_app(gate.app, listener, announce=announce)
