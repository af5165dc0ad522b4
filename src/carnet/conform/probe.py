"""The issuer that is looked at, and the client with which that is done."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from carnet.conform.authorization import Landing, PkcePair, landing_of, state_and_nonce
from carnet.conform.proofs import Prover
from carnet.conform.wire import Pairs, Reply, Unfinished, Wire
from carnet.errors import ConfigurationError
from carnet.jose.key import Key
from carnet.jwt.key_source import metadata_addresses
from carnet.verifier.token_endpoint import Client

__all__ = ["NO_CLIENT", "SILENT", "KnownClient", "NotApplicable", "Probe"]

OF_PEOPLE: Final = frozenset(("openid", "offline_access", "profile", "email", "address", "phone"))
NO_CLIENT: Final = "carnet-conform-no-such-client"
SILENT: Final = frozenset(
    ("login_required", "interaction_required", "consent_required", "account_selection_required")
)
"""What a request gets that could be granted, but for the person (OpenID Connect Core 3.1.2.6)."""


class NotApplicable(Exception):
    """A check says nothing about this issuer or with this client."""


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client of the issuer's that is there for tests.

    Attributes:
        id: its ``client_id``.
        secret: what it shares with the issuer, or None.
        key: its private key, or None.
        redirect_uri: where its answers go, or None.
        scope: what it may ask for, or None for what it gets by itself.
        resource: what its tokens are for, or None.
    """

    id: str
    secret: str | None = field(default=None, repr=False)
    key: Key | None = field(default=None, repr=False)
    redirect_uri: str | None = None
    scope: str | None = None
    resource: str | None = None

    @property
    def is_confidential(self) -> bool:
        """Whether it can prove who it is."""
        return self.secret is not None or self.key is not None


Visit = Callable[[str], Awaitable[str | None]]
"""Has a person open an address, and gives the one at which the browser ends; None if nobody did."""


class Probe:
    """Everything that the checks share.

    Args:
        issuer: as it is to stand in its metadata.
        wire: sends the requests.
        client: the client to test with, if there is one.
        visit: has a person sign in, if there is one.
        registration_token: what lets register clients, or None.

    Attributes:
        is_registered_here: whether the client has registered itself for this run.
        documents: the answers with metadata, by their addresses.
        metadata: what all of them say; where they differ, what the first says.
    """

    def __init__(
        self,
        issuer: str,
        wire: Wire,
        client: KnownClient | None = None,
        visit: Visit | None = None,
        registration_token: str | None = None,
    ) -> None:
        self.issuer = issuer
        self.wire = wire
        self.client = client
        self.visit = visit
        self.registration_token = registration_token
        self.is_registered_here = False
        self.documents: dict[str, Reply] = {}
        self.metadata: dict[str, Any] = {}
        self._posts_secret = False
        self._remembered: dict[str, Any] = {}
        if client is not None:
            wire.keep_secret(client.secret)
        wire.keep_secret(registration_token)

    async def begin(self) -> None:
        """Read the metadata, and find out how the client proves itself.

        Raises:
            ConfigurationError: if there is no metadata, or the client is not known.
        """
        reasons = []
        for address in metadata_addresses(self.issuer):
            try:
                reply = await self.wire.get(address, headers={"Origin": "https://conform.example"})
            except Unfinished as error:
                reasons.append(str(error))
                continue
            if reply.status == 200 and reply.document:
                self.documents[address] = reply
                self.metadata = {**reply.document, **self.metadata}
            else:
                reasons.append(f"{address} answered {reply.told}")
        if not self.documents:
            raise ConfigurationError(f"there is no metadata: {'; '.join(reasons)}")
        await self.find_way()

    def names(self, endpoint: str) -> bool:
        """Tell whether the metadata name an endpoint."""
        return isinstance(self.metadata.get(endpoint), str)

    def endpoint(self, name: str) -> str:
        """Give the address of an endpoint.

        Raises:
            NotApplicable: if the metadata names none.
        """
        if not self.names(name):
            raise NotApplicable(f"the metadata names no {name}")
        return str(self.metadata[name])

    def listed(self, name: str) -> list[str]:
        """Give a member that is a list of texts; [] where it is none."""
        value = self.metadata.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    @property
    def its_client(self) -> KnownClient:
        """The client.

        Raises:
            NotApplicable: if there is none.
        """
        if self.client is None:
            raise NotApplicable("it needs a client")
        return self.client

    @property
    def redirect_uri(self) -> str:
        """The client's address.

        Raises:
            NotApplicable: if it has none.
        """
        if self.its_client.redirect_uri is None:
            raise NotApplicable("it needs a client's redirect URI")
        return self.its_client.redirect_uri

    @property
    def offers_openid(self) -> bool:
        """Whether people are signed in here by OpenID Connect."""
        scope = self.client.scope if self.client is not None else None
        return "id_token_signing_alg_values_supported" in self.metadata and (
            scope is None or "openid" in scope.split()
        )

    def authenticated(self) -> tuple[dict[str, str], dict[str, str]]:
        """Give the headers and the parameters with which the client proves who it is."""
        client = self.its_client
        if self._posts_secret:
            return {}, {"client_id": client.id, "client_secret": client.secret or ""}
        headers, form = Client(client.id, client.secret, client.key).authenticate(self.issuer)
        self.wire.keep_secret(form.get("client_assertion"), headers.get("Authorization"))
        return headers, form

    async def ask(
        self, name: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a form to an endpoint, as the client."""
        own_headers, own_form = self.authenticated()
        reply = await self.wire.post(
            self.endpoint(name), {**form, **own_form}, {**own_headers, **(headers or {})}
        )
        given = ("access_token", "refresh_token", "id_token", "request_uri")
        self.wire.keep_secret(*(reply.document.get(member) for member in given))
        return reply

    async def ask_nameless(self, name: str, form: Pairs) -> Reply:
        """Send a form to an endpoint, as nobody in particular."""
        return await self.wire.post(self.endpoint(name), form)

    async def own_token(self) -> Reply:
        """Give the answer to the client's request for a token for itself; it is asked for once.

        Raises:
            NotApplicable: if it gets none.
        """

        async def ask() -> Reply:
            return await self.ask("token_endpoint", self.own_grant)

        reply: Reply = await self.once("own_token", ask)
        if reply.status != 200 or not isinstance(reply.document.get("access_token"), str):
            raise NotApplicable(f"the client gets no token for itself: {reply.told}")
        return reply

    @property
    def own_grant(self) -> dict[str, str]:
        """The client's request for a token for itself."""
        client = self.its_client
        more = {"scope": _own(client.scope), "resource": client.resource}
        given = {name: text for name, text in more.items() if text}
        return {"grant_type": "client_credentials", **given}

    def request(
        self, changes: Mapping[str, str | None] | None = None, pair: PkcePair | None = None
    ) -> dict[str, str]:
        """Give the parameters of an authorization request, with some of them changed.

        Args:
            changes: what is otherwise; None leaves a parameter out.
            pair: the PKCE verifier and challenge; new ones unless given.
        """
        client = self.its_client
        scope = client.scope or ("openid" if self.offers_openid else None)
        state, nonce = state_and_nonce()
        given = {
            "response_type": "code",
            "client_id": client.id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "resource": client.resource,
            "state": state,
            "nonce": nonce if self.offers_openid else None,
            "code_challenge": (pair or PkcePair.make()).challenge,
            "code_challenge_method": "S256",
            "prompt": "none",
            **(changes or {}),
        }
        return {name: text for name, text in given.items() if text is not None}

    async def authorize(
        self, changes: Mapping[str, str | None] | None = None, more: Pairs = ()
    ) -> Landing:
        """Send an authorization request without a session, and tell where it leads."""
        pairs = list(self.request(changes).items())
        pairs += list(more.items() if isinstance(more, Mapping) else more)
        return landing_of(await self.wire.get(self.endpoint("authorization_endpoint"), pairs))

    async def accepts(self, landing: Landing) -> bool:
        """Tell whether a request could have been granted, but for the person.

        Raises:
            NotApplicable: if this issuer does not say that of a good request either.
        """

        async def ask() -> bool:
            return self.is_accepted(await self.authorize())

        if not await self.once("says_silently", ask):
            raise NotApplicable(
                "a good request with prompt=none is not answered with login_required: "
                "this takes somebody who signs in"
            )
        return self.is_accepted(landing)

    def is_accepted(self, landing: Landing) -> bool:
        """Tell whether an answer says that only the person is missing."""
        answer = landing.answer
        return landing.is_at(self.redirect_uri) and (
            answer.get("error") in SILENT or "code" in answer or "access_token" in answer
        )

    async def once(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Give what a piece of work gives, which is done once in a run."""
        if name not in self._remembered:
            self._remembered[name] = await work()
        return self._remembered[name]

    async def prover(self) -> Prover:
        """Give the holder of the key of this run's DPoP proofs.

        Raises:
            NotApplicable: if the issuer says nothing of DPoP.
        """
        names = self.listed("dpop_signing_alg_values_supported")
        if not names:
            raise NotApplicable("the metadata names no dpop_signing_alg_values_supported")

        async def make() -> Prover:
            return Prover.make(names)

        return await self.once("prover", make)  # type: ignore[no-any-return]  # it is made there

    async def find_way(self) -> None:
        """Find the way in which the client proves itself, by a code that nobody has given.

        Raises:
            ConfigurationError: if the issuer takes none.
        """
        client = self.client
        if client is None or not client.is_confidential or not self.names("token_endpoint"):
            return
        for posts in (False, True) if client.secret is not None else (False,):
            self._posts_secret = posts
            form = {
                "grant_type": "authorization_code",
                "code": secrets.token_urlsafe(),
                "redirect_uri": client.redirect_uri or "https://conform.example/callback",
                "code_verifier": PkcePair.make().verifier,
            }
            try:
                reply = await self.ask("token_endpoint", form)
            except Unfinished:
                # Each check that needs it tells why.
                return
            if reply.error != "invalid_client":
                return
        raise ConfigurationError(
            "the issuer does not take this client: compare its client_id, its secret or key, and "
            "how it is registered to prove itself"
        )


def _own(scope: str | None) -> str | None:
    """Give what of a scope a client can have for itself."""
    return scope and " ".join(name for name in scope.split() if name not in OF_PEOPLE)
