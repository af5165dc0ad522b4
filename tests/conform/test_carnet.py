"""Nothing is found at Carnet, with whichever client, and no secret is ever told."""

import json

import pytest

from carnet.conform.report import as_junit, as_mapping
from carnet.conform.table import CHECKS

WITHOUT_PERSON = tuple(check for check in CHECKS if check.need != "person")


def told(report):
    return [f"{one.check.id}: {one.seen}" for one in report.findings]


def unfinished(report):
    return [
        f"{one.check.id}: {one.reason}" for one in report.outcomes if one.status == "unfinished"
    ]


@pytest.mark.parametrize("client", [None, "public", "secret", "posting", "signing"])
def test_nothing_is_found_at_carnet(carnet_issuer, client):
    report = carnet_issuer.check(CHECKS, client, person=client is not None)
    assert not told(report)
    assert not unfinished(report)


def test_nothing_is_found_with_a_client_that_is_registered_for_the_run_and_removed(carnet_issuer):
    report = carnet_issuer.check(WITHOUT_PERSON, register=True)
    assert not told(report)
    held = {outcome.check.id for outcome in report.outcomes if outcome.status == "holds"}
    assert {"registration.answer", "registration.removed", "authorization.unregistered"} <= held


def test_a_client_that_was_registered_is_removed_whatever_is_checked(carnet_issuer):
    keys = tuple(check for check in CHECKS if check.group == "keys")
    carnet_issuer.check(keys, register=True)
    left = carnet_issuer.run(carnet_issuer.unregistered())
    assert not left


def test_every_check_applies_to_one_of_carnets_clients(carnet_issuer):
    held = set()
    for client in ("public", "secret", "signing"):
        report = carnet_issuer.check(CHECKS, client, person=True)
        held |= {outcome.check.id for outcome in report.outcomes if outcome.status == "holds"}
    held |= {
        outcome.check.id
        for outcome in carnet_issuer.check(WITHOUT_PERSON, register=True).outcomes
        if outcome.status == "holds"
    }
    assert {check.id for check in CHECKS} == held


def test_no_report_holds_a_secret_or_a_token_whatever_the_issuer_quotes(carnet_issuer):
    secret, given = carnet_issuer.clients["secret"].secret, []

    async def quoting(asked, forward):
        given.extend(text for name, text in asked.form if name in ("code", "code_verifier"))
        reply = await forward(asked)
        if reply.headers.get("content-type") == "application/json":
            said = json.loads(reply.body)
            names = ("access_token", "refresh_token", "id_token")
            given.extend(said[name] for name in names if name in said)
            if "error" in said:
                reply.body = json.dumps({**said, "error": f"{given[-1:]} {secret}"}).encode()
        return reply

    report = carnet_issuer.check(CHECKS, "secret", quoting, person=True)
    text = json.dumps(as_mapping(report)) + as_junit(report).decode()
    assert len(report.findings) > 5
    assert len(given) > 20
    assert not [value for value in (*given, secret) if value in text]
