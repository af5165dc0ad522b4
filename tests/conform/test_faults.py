"""Every check can fail: each fault of an issuer is found by its check, and by no other."""

from __future__ import annotations

from functools import partial

import pytest
from tests.conform.fault_table import rows
from tests.conform.faults import SECOND, WELL_KNOWN, said, with_key

from carnet.conform.checks.redirects import TRICKS
from carnet.conform.runner import OWN_FAULT, chosen
from carnet.conform.table import CHECKS

ALL_TRICKS = {f"redirect.{name}" for name, _, _ in TRICKS}
# Which only a name shows that is not Carnet's.
ELSEWHERE = {"discovery.name"}


@pytest.fixture(scope="module")
def table(carnet_issuer):
    return rows(carnet_issuer.clients)


def found_by(carnet_issuer, client, fault, expected):
    groups = sorted({name.partition(".")[0] for name in expected})
    how = {"client": client}
    if client == "register":
        how = {"register": True}
    elif client == "sign-in":
        how = {"client": "public", "person": True}
    report = carnet_issuer.check(chosen(groups), fault=fault, **how)
    unfinished = [one for one in report.outcomes if one.status == "unfinished"]
    assert not unfinished, unfinished
    return {finding.check.id for finding in report.findings}


def test_each_fault_is_found_by_its_check_and_by_no_other(carnet_issuer, table):
    wrong = {}
    for name, client, fault, expected in table:
        wanted = ALL_TRICKS if expected is None else expected
        found = found_by(carnet_issuer, client, fault, wanted)
        if found != wanted:
            wrong[name] = {"missed": wanted - found, "too much": found - wanted}
    assert not wrong


def test_every_check_has_its_fault(table):
    covered = set().union(*(ALL_TRICKS if row[3] is None else row[3] for row in table))
    assert {check.id for check in CHECKS} == covered | ELSEWHERE


def test_a_name_with_a_query_is_no_name(carnet_issuer):
    report = carnet_issuer.check(chosen(["discovery"]), issuer="https://auth.example.com/?tenant=1")
    assert {one.check.id for one in report.findings} == {"discovery.name", "discovery.issuer"}


def test_ids_are_unique_and_every_row_says_where_it_is_demanded():
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.title and check.specification and check.section for check in CHECKS)


ODD = (None, True, 1, -1.5, "x", "https://auth.example.com/token", [], [1, None], ["x", "x"], {})


@pytest.mark.parametrize(("client", "values"), [(None, ODD), ("secret", (None, "x", {}))])
def test_whatever_an_issuer_publishes_no_check_breaks(carnet_issuer, client, values):
    broken = {}
    for odd in values:
        for name, fault in odd_answers(odd).items():
            report = carnet_issuer.check(CHECKS, client, fault, person=client is not None)
            broken |= {
                (name, str(odd), one.check.id): one.reason
                for one in report.outcomes
                if OWN_FAULT in one.reason
            }
    assert not broken


def odd_answers(odd):
    keys = [odd, *({**SECOND, name: odd} for name in SECOND)]
    change = partial(strange, odd)
    return {
        "metadata": said(f"{WELL_KNOWN}o.*", change),
        "keys": with_key(lambda _: keys),
        "answers": said("/(token|par|introspection|userinfo)", change),
    }


def strange(odd, document):
    return {**dict.fromkeys(document, odd), "issuer": document.get("issuer", odd)}
