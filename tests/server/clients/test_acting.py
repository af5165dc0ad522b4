"""Which programs a person's token can come to: what is told is what the exchange allows."""

import pytest
from tests.server.inside import register

from carnet import Key
from carnet.server.audit import OPERATOR
from carnet.server.clients.acting import MOST_ACTORS, programs_that_may_act
from carnet.server.clients.clients import TOKEN_EXCHANGE
from carnet.server.clients.resources import ResourceMetadata

AUDIENCES = ("orders", "billing", "ledger", "mail")
SCOPE = "bills:read mail:send"


async def program(service, client_id, exchange_from, exchange_to, **more):
    members = {
        "redirect_uris": (),
        "grant_types": (TOKEN_EXCHANGE,),
        "token_endpoint_auth_method": "client_secret_basic",
        "exchange_from": exchange_from,
        "exchange_to": exchange_to,
        "scope": SCOPE,
        **more,
    }
    await register(service, client_id, **members)


@pytest.fixture
def told_of(play):
    """Make some programs, and give who may act with a token for orders."""

    def run(*programs, scope="bills:read", resources=(), audiences=AUDIENCES):
        async def scene(service, _clock):
            for audience, metadata in resources:
                await service.registry.add_resource(audience, metadata, OPERATOR)
            for arguments, more in programs:
                await program(service, *arguments, **more)
            return list(programs_that_may_act(service.registry, "orders", scope.split()))

        return play(scene, audiences=audiences)

    return run


@pytest.fixture
def engine():
    return ""


ORDERS = (("orders", ("orders",), ("billing",)), {"client_name": "The orders"})
BILLING = (("billing", ("billing",), ("ledger", "mail")), {"client_name": ""})


def test_where_no_program_exchanges_anything_there_is_nothing_to_tell(told_of):
    assert told_of() == []


def test_programs_are_named_with_where_they_act_and_those_behind_them_too(told_of):
    assert told_of(ORDERS, BILLING) == [
        ("The orders", "billing"),
        ("billing", "ledger"),
        ("billing", "mail"),
    ]


def test_programs_that_exchange_other_tokens_are_not_named(told_of):
    assert told_of(BILLING) == []


def test_a_program_for_which_nothing_of_the_scope_is_left_is_not_named(told_of):
    narrow = (ORDERS[0], {"scope": "mail:send"})
    assert told_of(narrow, BILLING) == []


def test_openid_belongs_to_who_has_signed_in_and_is_left_to_nobody(told_of):
    assert told_of(ORDERS, scope="openid") == []


def test_a_token_that_names_no_scope_goes_on_without_one(told_of):
    assert ("The orders", "billing") in told_of(ORDERS, scope="")


def test_what_a_program_has_less_of_is_not_passed_on_by_it(told_of):
    orders = (ORDERS[0], {"scope": "mail:send", "client_name": "The orders"})
    billing = (BILLING[0], {"scope": "bills:read"})
    assert told_of(orders, billing, scope=SCOPE) == [("The orders", "billing")]


def test_what_the_resource_does_not_know_is_not_passed_on(told_of):
    knows = ("billing", ResourceMetadata(scopes=("other",)))
    assert told_of(ORDERS, resources=[knows]) == []


def test_a_token_that_is_encrypted_to_its_resource_is_exchanged_by_nobody(told_of):
    jwk = Key.generate("ECDH-ES+A256KW").public.to_jwk()
    encrypted = ("orders", ResourceMetadata(encryption_key=jwk))
    assert told_of(ORDERS, resources=[encrypted]) == []


def test_another_spelling_of_a_resource_is_the_same(told_of):
    url = "https://billing.example.com/"
    orders = (("orders", ("orders",), ("https://Billing.example.com",)), {})
    billing = (("billing", ("https://billing.example.com:443",), ("ledger",)), {})
    resources = [(url, ResourceMetadata())]
    assert told_of(orders, billing, resources=resources) == [
        ("billing", "ledger"),
        ("orders", url),
    ]


def test_a_chain_ends_where_no_program_may_follow(told_of):
    names = [f"step{number}" for number in range(MOST_ACTORS + 2)]
    audiences = ("orders", *names)
    chain = [((to, (before,), (to,)), {}) for before, to in zip(audiences, names, strict=False)]
    told = told_of(*chain, audiences=audiences)
    assert [name for name, _ in told] == names[:MOST_ACTORS]
