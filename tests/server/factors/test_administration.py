"""Administrators see and remove the factors of others, over HTTP and at the command line."""

import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import code_at, with_app
from tests.server.inside import Inside

from carnet.server.audit import OPERATOR, newest
from carnet.server.factors.factor_record import FactorRefused
from carnet.server.sessions.sessions import BROWSER, NewSession


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
    assert " f1\n" in shown
    assert carnet("user", "remove-factor", "alice", "f2", data=data).returncode == 2
    told = json.loads(carnet("user", "factors", "alice", "--json", data=data).stdout)
    assert [one["kind"] for one in told["factors"]] == ["totp"]
    assert "password alone" in carnet("user", "reset-factors", "alice", data=data).stdout
    assert "no second factor" in carnet("user", "reset-factors", "alice", data=data).stdout
    assert "password alone" in carnet("user", "factors", "alice", data=data).stdout
    assert "factors_reset" in carnet("audit", data=data).stdout


def test_an_administrator_removes_one_factor_of_several(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        await service.factors.add_totp(
            account, "f2", b"t" * 20, code_at(clock, b"t" * 20), "Tablet", OPERATOR
        )
        await service.accounts.create("ada", PASSWORD, ["carnet:admin"])
        person = Inside(service, "ada")
        given = {"username": "ada", "password": PASSWORD, "resource": person.origin}
        token = (await person.client.post("/sessions", json=given)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        hers = await service.sessions.begin(account, NewSession(BROWSER, "default"))
        answers = [
            (await person.client.delete(f"/accounts/{account.id}/factors/{one}", headers=bearer))
            for one in ("f1", "f1", "nothing")
        ]
        left = [one.id for one in await service.factors.of_account(account.id)]
        living = [one.id for one in await service.sessions.of_account(account.id)]
        await person.sign_in()
        asked = await person.client.get(f"/admin/users/{account.id}/remove-factor?id=f2")
        assert 'name="id" value="f2"' in asked.text
        form = {"id": "f2"}
        done = await person.client.post(f"/admin/users/{account.id}/remove-factor", data=form)
        assert done.headers["location"].endswith("?done=remove-factor")
        return (
            [one.status_code for one in answers],
            (left, living, hers.session_id in living),
            await service.factors.kinds(account.id),
        )

    statuses, left, kinds = play(scene)
    assert statuses == [204, 404, 404]
    assert left == (["f2"], [], False)
    assert kinds == ()


def test_one_renames_ones_own_factors_alone(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        await service.accounts.create("bob", PASSWORD)
        person = Inside(service, "bob")
        await person.sign_in()
        form = {"id": "f1", "name": "Mine"}
        refused = await person.client.post("/me/factors/name", data=form)
        assert (await person.client.get("/me/factors/name?id=f1")).status_code == 404
        names = []
        clock.advance(1)
        for name in ("", " ", "x" * 61, "a\u202eb", " Old phone "):
            try:
                assert await service.factors.rename(account.id, "f1", name, OPERATOR)
                names.append("taken")
            except FactorRefused as error:
                names.append(error.code)
        [factor] = await service.factors.of_account(account.id)
        [entry] = await newest(service.store, 1)
        return refused.status_code, names, factor.name, entry.event

    status, names, name, event = play(scene)
    assert status == 404
    assert names == ["name_invalid"] * 4 + ["taken"]
    assert (name, event) == ("Old phone", "factor_renamed")
