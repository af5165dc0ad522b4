"""``carnet mcp protect``: an MCP server that only people with an access token reach."""

from __future__ import annotations

import asyncio
import os
import signal
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import click

from carnet.cli.mcp import own_issuer
from carnet.cli.options import echo_json, json_option, settings_from
from carnet.cli.processes import Processes, check_ports
from carnet.cli.serving import serve_app
from carnet.cli.verifier_options import issuer_of
from carnet.errors import ConfigurationError
from carnet.listening import listen
from carnet.mcp_proxy.forwarding import Forwarding, check_upstream
from carnet.mcp_proxy.proxy import McpProxy
from carnet.server.settings import Settings
from carnet.verifier.access import on_loopback
from carnet.verifier.identity_headers import IdentityHeaders
from carnet.verifier.protected_resource import ProtectedResource

__all__ = ["mcp", "protect"]

# As much as the SDKs' servers take.
MOST_BODY: Final = 4 * 1024 * 1024
STOP_SECONDS: Final = 1
ON_STDIO: Final = "/mcp"


class Place(NamedTuple):
    """Where something listens.

    Attributes:
        host: the address.
        port: the TCP port.
    """

    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Both, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine get there."""
        return on_loopback(f"http://{self.netloc}")


def _place(text: str) -> Place:
    """Read an address and a port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise click.BadParameter("name an address and a port, such as 127.0.0.1:8000")
    return Place(host.removeprefix("[").removesuffix("]"), int(port))


@click.group()
def mcp() -> None:
    """Put access tokens in front of MCP servers."""


@mcp.command()
@click.argument("server", nargs=-1, required=True, metavar="URL | -- COMMAND...")
@click.option(
    "--listen",
    "place",
    type=_place,
    default="127.0.0.1:8000",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to listen for MCP clients.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="The address that clients use, where that is another one: https://mcp.example.com/mcp.",
)
@click.option(
    "--issuer",
    metavar="URL",
    help="An authorization server that you have; by default one of Carnet's is started.",
)
@click.option(
    "--auth-listen",
    "auth_place",
    type=_place,
    default="127.0.0.1:8400",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where the started authorization server listens.",
)
@click.option(
    "--auth-url",
    metavar="URL",
    help="The address at which people and clients reach it, where that is another one.",
)
@click.option("--data", metavar="DIR", help="Its data folder. [default: carnet-data]")
@click.option(
    "--user", "username", metavar="NAME", help="Who gets the first account; asked by default."
)
@click.option(
    "--password-file",
    type=click.File("r"),
    metavar="FILE",
    help="Read the first account's password from a file's first line, or from a pipe with '-'.",
)
@click.option(
    "--client-registration",
    type=click.Choice(["off", "token", "open"]),
    help="Whether clients that have no metadata document register themselves, as older ones do: "
    "not at all, with a token, or any. [default: open on this machine, otherwise off]",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="A scope that tokens must have, and that people are asked to grant; may be repeated.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="The origin of a page that may be a client, such as https://app.example.com; may be "
    "repeated.",
)
@click.option("--open", "opens", is_flag=True, help="Open your account's page in the browser.")
@json_option
def protect(
    server: tuple[str, ...],
    place: Place,
    public_url: str | None,
    issuer: str | None,
    origins: tuple[str, ...],
    scopes: tuple[str, ...],
    opens: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Let only people who have signed in reach an MCP server, until Ctrl-C.

    Name the server's address, or the command of one that speaks over standard input and output. It
    needs no change, and should not be reachable otherwise. Clients are given one address: they find
    the authorization server from there, and the person signs in and allows the client in a browser.

    The server is told who asks in X-Auth-… headers, and never sees a token. One that is a command
    runs once for each session.

    \b
    Examples:
      carnet mcp protect http://127.0.0.1:9000/mcp
      carnet mcp protect -- npx -y @modelcontextprotocol/server-everything
      carnet mcp protect http://127.0.0.1:9000/mcp --issuer https://auth.example.com
      carnet mcp protect http://127.0.0.1:9000/mcp --public-url https://mcp.example.com \\
        --auth-url https://auth.example.com
    """
    identity = IdentityHeaders()
    upstream, path = _upstream(server, identity)
    endpoint = _endpoint(public_url, place, path)
    own = _own_settings(endpoint, **given) if issuer is None else None
    if issuer is not None:
        _refuse_options_of_own(given)
    proxy = McpProxy(
        upstream,
        endpoint,
        own.own_url if own else issuer_of(str(issuer)),
        hosts=_hosts(place) if place.is_loopback else (),
        origins=origins,
        scopes=scopes,
    )
    # SIGTERM ends this as Ctrl-C does: with its children.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    check_ports({"MCP clients": place.port}, "choose another one with --listen", place.host)
    with Processes() as processes:
        if own is not None:
            check_ports(
                {own_issuer.NAME: own.port}, "choose another one with --auth-listen", own.host
            )
            own_issuer.offer(own, endpoint, scopes)
            own_issuer.make_first_account(own, given["username"], given["password_file"])
            own_issuer.start(processes, own)

        def announce() -> None:
            _announce(endpoint, server, own.own_url if own else str(issuer), own, as_json)
            if opens and own is not None:
                webbrowser.open(f"{own.own_url}/me")

        asyncio.run(_serve(proxy, upstream, place, processes.check, announce))


async def _serve(
    proxy: McpProxy,
    upstream: Any,
    place: Place,
    check: Callable[[], None],
    announce: Callable[[], None],
) -> None:
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(place.host, place.port))
        stack.push_async_callback(proxy.aclose)
        await stack.enter_async_context(upstream)
        if isinstance(upstream, Forwarding) and not await upstream.is_there():
            click.echo("carnet: nothing answers at the MCP server's address yet", err=True)
        await serve_app(
            proxy,
            listener,
            announce=announce,
            most_body=MOST_BODY,
            stop_seconds=STOP_SECONDS,
            check=check,
        )


def _upstream(server: Sequence[str], identity: IdentityHeaders) -> tuple[Any, str]:
    """Give the server behind, and the path of its MCP endpoint."""
    if len(server) == 1 and "://" in server[0]:
        check_upstream(server[0])
        return Forwarding(server[0], identity), urlsplit(server[0]).path or "/"
    from carnet.mcp_proxy.stdio import StdioServer

    return StdioServer(server), ON_STDIO


def _endpoint(public_url: str | None, place: Place, path: str) -> str:
    """Give the address that clients are told."""
    if public_url is None:
        if not place.is_loopback:
            raise ConfigurationError(
                "others can reach this: name the address that they use with --public-url "
                "https://mcp.example.com/mcp, for which a reverse proxy does TLS"
            )
        return f"http://{place.netloc}{path}"
    ProtectedResource.of(public_url)
    return public_url if urlsplit(public_url).path.strip("/") else public_url.rstrip("/") + path


def _own_settings(
    endpoint: str,
    auth_place: Place,
    auth_url: str | None,
    data: str | None,
    client_registration: str | None,
    **_: Any,
) -> Settings:
    """Give the settings of the authorization server that is started."""
    if auth_url is None:
        if not auth_place.is_loopback or urlsplit(endpoint).scheme == "https":
            raise ConfigurationError(
                "people have to reach the authorization server as well: name its address with "
                f"--auth-url https://auth.example.com (a reverse proxy leads it to "
                f"{auth_place.netloc}), or one that you have with --issuer"
            )
        auth_url = f"http://{auth_place.netloc}"
    if client_registration is None:
        # Whoever gets there could sign in anyway. Elsewhere strangers do.
        client_registration = "open" if auth_place.is_loopback and on_loopback(auth_url) else "off"
    return settings_from(
        None,
        data=data,
        client_registration=client_registration,
        issuer=auth_url.rstrip("/"),
        host=auth_place.host,
        port=auth_place.port,
        audiences=[endpoint],
    )


def _refuse_options_of_own(given: dict[str, Any]) -> None:
    for name in ("auth_url", "data", "username", "password_file", "client_registration"):
        if given[name] is not None:
            option = {"username": "user"}.get(name, name).replace("_", "-")
            raise click.UsageError(
                f"--{option} is for the server that this command starts; leave it out with --issuer"
            )


def _hosts(place: Place) -> list[str]:
    return [place.netloc, *(f"{name}:{place.port}" for name in ("localhost", "127.0.0.1", "[::1]"))]


def _announce(
    endpoint: str, server: Sequence[str], issuer: str, own: Settings | None, as_json: bool
) -> None:
    behind = " ".join(server[:1] if "://" not in server[0] else [server[0].partition("?")[0]])
    if as_json:
        echo_json({"url": endpoint, "issuer": issuer, "server": behind, "pid": os.getpid()})
        return
    click.echo(f"carnet: {endpoint} is ready: paste this address into an MCP client")
    click.echo(f"  behind it   {behind}")
    click.echo(f"  sign-in at  {issuer}")
    if own is not None:
        click.echo(f"  accounts    carnet user list --data {own.data}")
        if own.client_registration == "off":
            click.echo(
                "  clients     those with a metadata document; --client-registration open: any"
            )
    click.echo(f"  to stop     Ctrl-C, or: kill {os.getpid()}")
