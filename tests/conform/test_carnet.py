"""Nothing is found at Carnet, with whichever client, and no secret is ever told."""

import json
from urllib.parse import parse_qsl, urlsplit

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
        reply = await forward(asked)
        query = parse_qsl(urlsplit(reply.headers.get("location", "")).query)
        given.extend(text for name, text in query if name == "code")
        if reply.headers.get("content-type") == "application/json":
            said = json.loads(reply.body)
            tokens = ("access_token", "refresh_token", "id_token", "request_uri")
            given.extend(said[name] for name in tokens if name in said)
            if "error" in said:
                quoted = next((text for text in reversed(given) if len(text) < 64), secret)
                reply.body = json.dumps({**said, "error": quoted}).encode()
            # What is quoted of an answer, too.
            quoted = given[-1] if "access_token" in said else secret
            reply.headers["cache-control"] = reply.headers["www-authenticate"] = quoted
        return reply

    report = carnet_issuer.check(CHECKS, "secret", quoting, person=True)
    text = json.dumps(as_mapping(report), ensure_ascii=False) + as_junit(report).decode()
    assert len(report.findings) > 5
    assert text.count("…") > 5
    # Of what is long, the beginning would be shown.
    assert not [value for value in (*given, secret) if value[:40] in text]
