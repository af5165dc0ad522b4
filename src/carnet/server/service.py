"""The service: everything that an endpoint needs, opened and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from carnet.errors import ServerError
from carnet.server.accounts.accounts import Accounts
from carnet.server.accounts.address_codes import AddressCodes
from carnet.server.accounts.breached_passwords import BreachedPasswords
from carnet.server.accounts.breached_passwords_service import BreachedPasswordsService
from carnet.server.accounts.deletion import Deletions
from carnet.server.accounts.email_addresses import EmailAddresses
from carnet.server.accounts.mailed_codes import CODE_WANTED, MailedCodes
from carnet.server.accounts.merging import Merges
from carnet.server.accounts.notices import Notices
from carnet.server.accounts.one_time_links import OneTimeLinks
from carnet.server.accounts.passwords import Passwords
from carnet.server.accounts.recovery import FORGOTTEN, Recovery
from carnet.server.accounts.throttle import Throttle
from carnet.server.audit import Origin
from carnet.server.background import Background
from carnet.server.clients.consents import Consents
from carnet.server.clients.fetched_keys import FetchedKeys
from carnet.server.clients.registrations import Registrations
from carnet.server.clients.registry import Registry
from carnet.server.clients.subjects import Subjects
from carnet.server.clock import Clock, now
from carnet.server.factors.factors import Factors
from carnet.server.factors.passkeys import Passkeys
from carnet.server.factors.remembered_browsers import RememberedBrowsers
from carnet.server.keys.data_folder import NEXT_KEY, DataFolder, open_folder, read_folder
from carnet.server.keys.master_key import create_master_key, read_master_key
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.mail.delivery import Delivery
from carnet.server.mail.outbox import Outbox
from carnet.server.oauth.authorization_codes import AuthorizationCodes
from carnet.server.oauth.client_metadata_documents import ClientMetadataDocuments
from carnet.server.oauth.device_codes import DeviceCodes
from carnet.server.oauth.pushed_requests import PushedRequests
from carnet.server.revocations.revocations import Revocations
from carnet.server.revocations.stream import RevocationStream
from carnet.server.scim.scim import Scim
from carnet.server.sessions.agents import Agents
from carnet.server.sessions.identities import Identities
from carnet.server.sessions.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.store import Opening, Store, open_store
from carnet.server.store import statements as sql
from carnet.server.tokens.access_tokens import AccessTokens
from carnet.server.tokens.id_tokens import IdTokens
from carnet.server.tokens.identity_assertions import IdentityAssertions
from carnet.server.tokens.logout_notices import LogoutNotices
from carnet.server.tokens.used_once import UsedOnce
from carnet.server.upstream.kept_tokens import KeptTokens
from carnet.server.upstream.people import People
from carnet.server.upstream.upstream import Upstream

__all__ = ["Service", "open_service"]

MOST_STRANGERS: Final = 64
"""Of how many clients that no administrator has registered the keys are remembered."""
MOST_STRANGERS_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The parts of the running service.

    Attributes:
        settings: what it was told.
        clock: gives the microseconds since 1970.
        store: its database.
        keys: what it signs with and publishes.
        accounts: who may sign in.
        addresses: where they are reached.
        notices: tells them what has happened to their accounts.
        recovery: gives them their accounts back.
        mailed_codes: mails codes to sign in with.
        outbox: the mails that wait.
        delivery: sends those.
        deletions: which of them are to go.
        merges: makes one of two that are one person's.
        factors: what they sign in with besides their passwords.
        remembered_browsers: with which browsers they are not asked for those.
        throttle: who has to wait before trying again.
        sessions: who is signed in.
        agents: which programs act for them.
        identities: who they are at other issuers.
        registry: the clients, and what tokens may be for.
        subjects: what accounts are called for clients.
        registrations: the clients that register themselves.
        scim: what a company's directory keeps here.
        fetched_keys: those that clients and issuers publish whom administrators have named.
        strangers_keys: those that clients publish that no administrator has registered, apart, so
            that they are in nobody else's way.
        used_once: which proofs and assertions of clients have been used.
        revocations: refuses access tokens before their time.
        access_tokens: what the signed-in are given.
        id_tokens: what tells clients who has signed in.
        identity_assertions: what carries that to other authorization servers.
        codes: what the authorization endpoint gives clients.
        documents: finds clients by the documents that they publish.
        device_codes: what devices without a browser show and ask tokens with.
        pushed_requests: what clients have asked for before the browser comes.
        consents: which client may do what for whom.
        upstream: the providers that people may sign in with.
        people: whose accounts they are that those speak of.
        kept_tokens: looks after the refresh tokens of providers.
        revocation_stream: tells verifiers what is refused.
        logout_notices: tells clients which sessions have ended.
        background: what the service does by itself, once it is run.
        folder: where the master key is.
    """

    settings: Settings
    clock: Clock
    store: Store
    keys: SigningKeys
    accounts: Accounts
    addresses: EmailAddresses
    notices: Notices
    recovery: Recovery
    mailed_codes: MailedCodes
    outbox: Outbox
    delivery: Delivery
    deletions: Deletions
    merges: Merges
    factors: Factors
    remembered_browsers: RememberedBrowsers
    throttle: Throttle
    sessions: Sessions
    agents: Agents
    identities: Identities
    registry: Registry
    subjects: Subjects
    registrations: Registrations
    scim: Scim
    fetched_keys: FetchedKeys
    strangers_keys: FetchedKeys
    used_once: UsedOnce
    revocations: Revocations
    access_tokens: AccessTokens
    id_tokens: IdTokens
    identity_assertions: IdentityAssertions
    codes: AuthorizationCodes
    documents: ClientMetadataDocuments
    device_codes: DeviceCodes
    pushed_requests: PushedRequests
    consents: Consents
    upstream: Upstream
    people: People
    kept_tokens: KeptTokens
    revocation_stream: RevocationStream
    logout_notices: LogoutNotices
    background: Background
    folder: DataFolder

    async def change_master_key(self, origin: Origin) -> None:
        """Encrypt everything under a new master key, which running servers take over.

        The new key is on the disk before the database needs it, and takes the old one's place
        after: whenever this is interrupted, one of the two files opens the database.

        Raises:
            ServerError: ``master_key_given``, where the key is in no file of the data folder.
        """
        path = self.folder.key_path
        if path is None:
            raise ServerError(
                "the setting master_key holds the master key: put it into master.key of the data "
                "folder instead, mode 0600, change it there, and then hand out the new one",
                code="master_key_given",
            )
        new = create_master_key(path.with_name(NEXT_KEY))
        await self.keys.encrypt_under(new, origin)
        path.with_name(NEXT_KEY).replace(path)


@asynccontextmanager
async def open_service(
    settings: Settings, clock: Clock = now, *, reading: bool = False
) -> AsyncIterator[Service]:
    """Open the data folder, making at the first start what it needs.

    Args:
        settings: the service's settings.
        clock: gives the microseconds since 1970.
        reading: write nothing, neither now nor later: what is missing is an error.

    Raises:
        ServerError: if the folder, the database or the master key can't be used.
    """
    store, folder = await _open_data(settings, reading=reading)
    closing = ExitStack()
    try:
        breached = _breached_passwords(settings, closing)
        passwords = Passwords(breached=breached, service=_breached_passwords_service(settings))
        closing.callback(passwords.close)
        keys = await _load_keys(store, folder, settings, clock, reading=reading)
        revocations = Revocations(store, settings, clock)
        stream = RevocationStream(store, keys, settings, clock)
        sessions = Sessions(store, keys, revocations, settings, clock)
        registry = Registry(store, sessions, settings, clock)
        await registry.load()
        outbox, links = Outbox(keys, settings), OneTimeLinks(store, settings, clock)
        notices = Notices(outbox, links)
        delivery = Delivery(store, outbox, settings, clock)
        accounts = Accounts(store, passwords, revocations, notices, clock)
        if not reading:
            await accounts.prepare()
        deletions = Deletions(store, revocations, settings, clock)
        id_tokens, subjects = IdTokens(keys, settings), Subjects(keys)
        throttle = Throttle(store, keys, clock)
        codes = AddressCodes(links, keys)
        addresses = EmailAddresses(store, outbox, links, codes, notices, throttle, clock)
        recovery = Recovery(store, accounts, addresses, links, outbox, throttle, clock)
        mailed_codes = MailedCodes(store, links, outbox, throttle, clock)
        delivery.answers[FORGOTTEN] = recovery.answer
        delivery.answers[CODE_WANTED] = mailed_codes.answer
        documents = ClientMetadataDocuments(registry.unregistered, throttle, settings, clock)
        closing.callback(documents.close)
        fetched_keys = FetchedKeys(settings, clock)
        strangers_keys = FetchedKeys(settings, clock, MOST_STRANGERS, MOST_STRANGERS_BYTES)
        closing.callback(fetched_keys.close)
        closing.callback(strangers_keys.close)
        upstream = Upstream(settings, fetched_keys, clock)
        closing.callback(upstream.close)
        identities = Identities(store, sessions, revocations, settings, clock)
        people = People(
            *(store, accounts, identities, upstream, sessions, notices, revocations, keys, clock)
        )
        kept_tokens = KeptTokens(store, keys, upstream, people, settings, clock)
        logout_notices = LogoutNotices(store, registry, id_tokens, clock)
        yield Service(
            settings=settings,
            clock=clock,
            store=store,
            keys=keys,
            accounts=accounts,
            addresses=addresses,
            notices=notices,
            recovery=recovery,
            mailed_codes=mailed_codes,
            outbox=outbox,
            delivery=delivery,
            deletions=deletions,
            merges=Merges(store, deletions, notices, clock),
            factors=Factors(store, keys, revocations, Passkeys(settings), notices, clock),
            remembered_browsers=RememberedBrowsers(store, settings, clock),
            throttle=throttle,
            sessions=sessions,
            agents=Agents(store, sessions, settings, clock),
            identities=identities,
            registry=registry,
            subjects=subjects,
            registrations=Registrations(store, registry.unregistered, throttle, settings, clock),
            scim=Scim(store, accounts, deletions, revocations, settings, clock),
            fetched_keys=fetched_keys,
            strangers_keys=strangers_keys,
            used_once=UsedOnce(store, clock),
            revocations=revocations,
            access_tokens=AccessTokens(keys, registry, settings),
            id_tokens=id_tokens,
            identity_assertions=IdentityAssertions(keys, settings),
            codes=AuthorizationCodes(store, sessions, subjects, clock),
            documents=documents,
            device_codes=DeviceCodes(store, keys, sessions, clock),
            pushed_requests=PushedRequests(keys, clock),
            consents=Consents(store, sessions, clock),
            upstream=upstream,
            people=people,
            kept_tokens=kept_tokens,
            revocation_stream=stream,
            logout_notices=logout_notices,
            background=Background(
                *(store, keys, registry, stream, logout_notices),
                delivery if outbox.is_open else None,
                *(deletions, kept_tokens, clock),
                settings.audit_retention,
            ),
            folder=folder,
        )
    finally:
        closing.close()
        await store.close()


def _breached_passwords(settings: Settings, closing: ExitStack) -> Container[str]:
    if not settings.breached_passwords:
        return ()
    found = BreachedPasswords(settings.breached_passwords)
    closing.callback(found.close)
    return found


def _breached_passwords_service(settings: Settings) -> BreachedPasswordsService | None:
    if not settings.breached_passwords_url:
        return None
    return BreachedPasswordsService(settings.breached_passwords_url, settings.private_hosts)


async def _open_data(settings: Settings, *, reading: bool) -> tuple[Store, DataFolder]:
    """Open the database and the data folder.

    What is made anew begins with the folder. Where nothing may be made, a database that is not
    there leaves nothing behind.
    """
    database = settings.database or settings.folder / "carnet.db"
    if settings.migrate and not reading:
        folder = open_folder(settings)
        return await open_store(database), folder
    store = await open_store(database, Opening.READ if reading else Opening.CHECK)
    try:
        if not reading:
            return store, open_folder(settings)
        return store, read_folder(settings, needs_key=bool(await store.read(sql.PEPPERS)))
    except BaseException:
        await store.close()
        raise


async def _load_keys(
    store: Store, folder: DataFolder, settings: Settings, clock: Clock, *, reading: bool
) -> SigningKeys:
    keys = SigningKeys(store, folder.master_key, settings, clock, folder.find_master_keys)
    try:
        await (keys.read() if reading else keys.load())
    except ServerError as error:
        if folder.key_path is None:
            raise
        following = folder.key_path.with_name(NEXT_KEY)
        if folder.is_new:
            # Made for nothing: the database has keys under another one.
            folder.key_path.unlink()
        elif error.code == "master_key_wrong" and following.exists():
            # A change of the master key was interrupted after the database had taken it.
            found = read_master_key(following)
            keys = SigningKeys(store, found, settings, clock, folder.find_master_keys)
            if reading:
                await keys.read()
                return keys
            await keys.load()
            following.replace(folder.key_path)
            return keys
        raise
    return keys
