"""Administrators see and remove the factors of others, over HTTP and at the command line."""

import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import with_app
from tests.server.inside import Inside

from carnet.server.audit import OPERATOR, newest


@pytest.fixture
def ask(play):
    """Ask the administration about alice, who has an app, as somebody with some roles."""

    def asked(method, roles=("carnet:admin",), account_id=None):
        async def scene(service, clock):
            account = await with_app(service, clock)
            await service.factors.make_recovery_codes(account, OPERATOR)
            await service.accounts.create("ada", PASSWORD, roles)
            person = Inside(service, "ada")
            given = {"username": "ada", "password": PASSWORD, "resource": person.origin}
            token = (await person.client.post("/sessions", json=given)).json()["access_token"]
            answer = await person.client.request(
                method,
                f"/accounts/{account_id or account.id}/factors",
                headers={"Authorization": f"Bearer {token}"},
            )
            kinds = await service.factors.kinds(account.id)
            events = {entry.event: entry.actor for entry in await newest(service.store, 9)}
            ada = await service.accounts.find("ada")
            return answer, kinds, events.get("factors_reset") == ada.id

        return play(scene)

    return asked


def test_an_administrator_sees_the_factors_of_an_account_and_no_secret(ask):
    answer, kinds, _ = ask("GET")
    [factor] = answer.json()["factors"]
    assert factor.keys() == {"id", "kind", "name", "created_at"}
    assert (factor["kind"], factor["name"]) == ("totp", "Phone")
    assert answer.json()["recovery_codes_left"] == 10
    assert kinds == ("totp",)


def test_an_administrator_removes_them_and_the_audit_log_says_who(ask):
    answer, kinds, written = ask("DELETE")
    assert answer.status_code == 204
    assert kinds == ()
    assert written


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nobody_else_sees_or_removes_them(ask, method):
    answer, kinds, _ = ask(method, roles=("ADMIN",))
    assert answer.status_code == 403
    assert kinds == ("totp",)


def test_an_account_that_there_is_not_has_none(ask):
    answer, _, _ = ask("DELETE", account_id="nobody")
    assert answer.status_code == 404


def test_the_command_line_sees_and_removes_them(play, carnet, tmp_path):
    play(with_app)
    data = tmp_path / "data"
    shown = carnet("user", "factors", "alice", data=data).stdout
    assert [line.split()[:2] for line in shown.splitlines()[:2]] == [
        ["KIND", "NAME"],
        ["totp", "Phone"],
    ]
    assert "recovery codes left: 0" in shown
    told = json.loads(carnet("user", "factors", "alice", "--json", data=data).stdout)
    assert [one["kind"] for one in told["factors"]] == ["totp"]
    assert "password alone" in carnet("user", "reset-factors", "alice", data=data).stdout
    assert "no second factor" in carnet("user", "reset-factors", "alice", data=data).stdout
    assert "password alone" in carnet("user", "factors", "alice", data=data).stdout
    assert "factors_reset" in carnet("audit", data=data).stdout
