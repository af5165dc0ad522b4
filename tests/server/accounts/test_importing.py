"""Accounts of another system: read, imported once, and signing in with the passwords they have."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
from collections import Counter

import argon2
import bcrypt
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from tests.server.asgi import JSON, ask

from carnet.cli.account_files import read_accounts
from carnet.errors import ConfigurationError
from carnet.server.accounts import passwords
from carnet.server.accounts.account_record import AccountRow
from carnet.server.accounts.accounts import Account
from carnet.server.accounts.exporting import export_accounts
from carnet.server.accounts.import_shapes import ImportedAccount, RowRefused, read_row
from carnet.server.accounts.importing import AccountImport, Outcome
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR, newest
from carnet.server.sessions.sessions import NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.store import statements as sql

PASSWORD = "paper-boat-harbour"


def foreign(password=PASSWORD, salt="saltsaltsaltsalt"):
    return PBKDF2PasswordHasher().encode(password, salt, 1)


def read(text, format="jsonl"):
    return list(
        read_accounts(io.BytesIO(text if isinstance(text, bytes) else text.encode()), format)
    )


def refusals(text, format="jsonl"):
    return [str(row.account) for row in read(text, format) if isinstance(row.account, RowRefused)]


# Reading


def test_a_csv_file_gives_accounts_with_claims_roles_and_what_is_empty_left_out():
    text = (
        "username,password_hash,email,email_verified,given_name,roles,disabled,claims,id\r\n"
        'ada,"!",ada@example.com,true,Ada,ADMIN press,f,"{""department"": ""press""}",17\r\n'
        "bob,,,,,,1,,\r\n"
    )
    first, second = (row.account for row in read("\ufeff" + text, "csv"))
    assert first == ImportedAccount(
        id="17",
        username="ada",
        password_hash="!",
        roles=("ADMIN", "press"),
        claims={
            "email": "ada@example.com",
            "email_verified": True,
            "given_name": "Ada",
            "department": "press",
        },
    )
    assert second == ImportedAccount(username="bob", disabled=True)
    assert [row.place for row in read(text, "csv")] == [2, 3]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("name,password_hash", "names the columns"),
        ("username,role", "'role'"),
        ("username,username", "each once"),
        ("", "names the columns"),
    ],
)
def test_a_column_that_is_not_known_is_no_claim_by_accident(head, said):
    with pytest.raises(ConfigurationError, match=said):
        read(f"{head}\nada,x\n", "csv")


def test_a_line_of_csv_that_does_not_fit_is_refused_alone():
    text = "username,disabled\nada,maybe\nbob\neve,no\n"
    assert refusals(text, "csv") == [
        "disabled must be true or false",
        "the line has 1 fields, and the first line 2",
    ]
    assert read(text, "csv")[-1].account.username == "eve"


@pytest.mark.parametrize("text", [b"username\n\xff\xfe\n", b'username\n"' + b"x" * 200_000])
def test_what_is_no_csv_at_all_is_told_and_not_read_on(text):
    with pytest.raises(ConfigurationError):
        read(text, "csv")


def test_lines_of_json_stand_for_themselves():
    text = "\n".join(
        [
            '{"username": "ada", "email": "a@example.com", "claims": {"x": [1]}, "roles": ["r"]}',
            "",
            "[]",
            "{" * 100_000,
            '{"username": "' + "x" * 300_000 + '"}',
            '{"username": 5}',
            '{"username": "bob", "is_superuser": true}',
            '{"roles": []}',
            '{"username": "eve", "password_hash": null}',
        ]
    )
    rows = read(text)
    assert [row.place for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert rows[0].account.claims == {"email": "a@example.com", "x": [1]}
    assert rows[-1].account == ImportedAccount(username="eve")
    assert len(refusals(text)) == 6


def keycloak(secret, how, **more):
    credential = {
        "type": "password",
        "secretData": json.dumps({"additionalParameters": {}, **secret}),
        "credentialData": json.dumps({"additionalParameters": {}, **how}),
    }
    return {
        "id": "8f7c4a2e-6a5c-4c9c-8a53-0d5e5d3b7c11",
        "username": "ada",
        "enabled": True,
        "emailVerified": True,
        "email": "ada@example.com",
        "firstName": "Ada",
        "lastName": "L",
        "credentials": [{"type": "otp", "secretData": "{}"}, credential],
        "realmRoles": ["default-roles-shop", "offline_access", "press"],
        **more,
    }


def base64_of(content):
    return base64.b64encode(content).decode()


def keycloak_pbkdf2(name, digest, size):
    made = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"sixteen bytes!!!", 10, size)
    secret = {"value": base64_of(made), "salt": base64_of(b"sixteen bytes!!!")}
    return keycloak(secret, {"hashIterations": 10, "algorithm": name})


def keycloak_argon2():
    raw = argon2.low_level.hash_secret_raw(
        PASSWORD.encode(), b"sixteen bytes!!!", 5, 1024, 1, 32, argon2.Type.ID
    )
    secret = {"value": base64_of(raw), "salt": base64_of(b"sixteen bytes!!!")}
    more = {
        "hash": ["32"],
        "memory": ["1024"],
        "type": ["id"],
        "version": ["1.3"],
        "parallelism": ["1"],
    }
    how = {"hashIterations": 5, "algorithm": "argon2", "additionalParameters": more}
    return keycloak(secret, how)


def scrypt_of_auth0():
    made = hashlib.scrypt(PASSWORD.encode(), salt=b"abcd", n=1024, r=8, p=1, dklen=32)
    return {
        "algorithm": "scrypt",
        "hash": {"value": made.hex(), "encoding": "hex"},
        "salt": {"value": "abcd", "encoding": "utf8"},
        "cost": 1024,
    }


def auth0(**more):
    return {"username": "x", "custom_password_hash": {**scrypt_of_auth0(), **more}}


BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
ELSEWHERE = {
    "Keycloak's pbkdf2-sha256": keycloak_pbkdf2("pbkdf2-sha256", "sha256", 64),
    "Keycloak's pbkdf2-sha512": keycloak_pbkdf2("pbkdf2-sha512", "sha512", 64),
    "Keycloak's pbkdf2": keycloak_pbkdf2("pbkdf2", "sha1", 64),
    "Keycloak's argon2": keycloak_argon2(),
    "Auth0's bcrypt": {
        "_id": {"$oid": "5f"},
        "email": "ada@example.com",
        "email_verified": True,
        "passwordHash": BCRYPT,
        "username": "ada",
    },
    "Auth0's custom bcrypt": {
        "username": "ada",
        "custom_password_hash": {"algorithm": "bcrypt", "hash": {"value": BCRYPT}},
    },
    "Auth0's custom scrypt": {"username": "ada", "custom_password_hash": scrypt_of_auth0()},
}


def importing(rows, dry=False):
    """Give a scene that imports rows and tells what became of them."""

    async def scene(service, _clock):
        return await AccountImport(service.store, service.clock(), dry=dry).add(rows)

    return scene


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_account_as_another_system_exports_it_signs_in_and_has_our_hash_then(play, kind):
    async def scene(service, _clock):
        [result] = await AccountImport(service.store, 1).add([read_row(ELSEWHERE[kind])])
        assert result.outcome is Outcome.IMPORTED, result
        assert not isinstance(await service.accounts.check("ada", "wrong-password"), Account)
        found = await service.accounts.check("ada", PASSWORD)
        [row] = await service.store.read(sql.ACCOUNT_BY_USERNAME, "ada")
        # Changed by nobody but the rehash.
        assert isinstance(await service.accounts.check("ada", PASSWORD), Account)
        return found, AccountRow(*row).password_hash

    account, encoded = play(scene)
    cost = f"m={passwords.MEMORY_KIB},t={passwords.TIME_COST},p=1"
    assert encoded.startswith(f"$argon2id$v=19${cost}$")
    assert account.version == 1
    if "custom" not in kind:
        assert account.claims["email"] == "ada@example.com"
        assert account.claims["email_verified"] is True
    if "Keycloak" in kind:
        assert account.roles == ("press",)
        assert account.id == "8f7c4a2e-6a5c-4c9c-8a53-0d5e5d3b7c11"


def test_a_realm_of_keycloak_and_an_array_of_auth0_are_documents():
    document = json.dumps({"realm": "shop", "users": [ELSEWHERE["Keycloak's argon2"], 5]})
    rows = read(document, "json")
    assert rows[0].account.username == "ada"
    assert [row.place for row in rows] == [1, 2]
    assert isinstance(rows[1].account, RowRefused)
    assert read(json.dumps([ELSEWHERE["Auth0's bcrypt"]]), "json")[0].account.username == "ada"
    with pytest.raises(ConfigurationError):
        read('{"realm": "shop"}', "json")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"username": "x", "enabled": True, "serviceAccountClientId": "shop"}, "no person"),
        (keycloak({"value": 5}, {"algorithm": "argon2"}), "can't be read"),
        ({"username": "x", "enabled": True, "credentials": "no"}, "can't be read"),
        (auth0(algorithm="md5", hash={"value": "5f4dcc3b"}), "too fast"),
        (auth0(cost=1000), "power of 2"),
        (auth0(hash={"value": "zz", "encoding": "hex"}), "encoding"),
        ({"username": "x", "claims": []}, "claims are an object"),
    ],
)  # fmt: skip
def test_a_row_of_another_system_that_cant_be_taken_over_says_why(row, said):
    with pytest.raises(RowRefused, match=said) as refused:
        read_row(row)
    assert "5f4dcc3b" not in str(refused.value)


# Importing


def test_what_cant_be_imported_is_refused_alone_and_never_tells_the_hash(play):
    rows = [
        ImportedAccount(username="ada", password_hash=foreign()),
        ImportedAccount(username="a b"),
        ImportedAccount(username="bob", password_hash="sha1$nobody-knows-this"),
        ImportedAccount(username="eve", roles=("a role",)),
        ImportedAccount(username="mal", claims={"sub": "x"}),
        ImportedAccount(username="pat", id="a b"),
        ImportedAccount(username="kim", id="operator"),
        ImportedAccount(username="zoe", disabled=True),
    ]
    results = play(importing(rows))
    there = [result.outcome is Outcome.IMPORTED for result in results]
    assert there == [True, *[False] * 6, True]
    assert not any("nobody-knows" in result.reason for result in results)
    assert all(result.reason for result in results[1:-1])


def test_two_rows_of_one_name_are_not_taken_for_one_account(play):
    rows = [
        ImportedAccount(username="Alice", password_hash=foreign()),
        ImportedAccount(username="alice", password_hash=foreign("another-password")),
        ImportedAccount(username="a1ice"),
        ImportedAccount(username="bob", id="7"),
        ImportedAccount(username="eve", id="7"),
    ]
    expected = ["imported", "refused", "refused", "imported", "refused"]
    dry = play(importing(rows, dry=True))
    assert [one.outcome.value for one in dry] == expected
    assert [one.outcome.value for one in play(importing(rows))] == expected


def test_a_second_run_leaves_what_is_there_as_it_is(play):
    rows = [ImportedAccount(username=f"user{number}", password_hash=foreign()) for number in (1, 2)]

    async def scene(service, clock):
        await AccountImport(service.store, service.clock()).add(rows[:1])
        await service.accounts.set_password(
            (await service.accounts.find("user1")).id, "changed-password", origin=OPERATOR
        )
        clock.advance(60)
        dry = await AccountImport(service.store, service.clock(), dry=True).add(rows)
        results = await AccountImport(service.store, service.clock()).add(rows)
        found = await service.accounts.check("user1", "changed-password")
        return dry, results, isinstance(found, Account), len(await service.accounts.page())

    dry, results, kept, count = play(scene)
    assert [one.outcome.value for one in results] == ["already_there", "imported"]
    assert dry == results
    assert (kept, count) == (True, 2)


def test_a_dry_run_writes_nothing(play):
    async def scene(service, _clock):
        run = AccountImport(service.store, service.clock(), dry=True)
        await run.add([ImportedAccount(username="ada")])
        events = [one.event for one in await newest(service.store, 10)]
        return await service.accounts.page(), events

    assert play(scene) == ([], ["key_created"])


def test_a_batch_that_fails_in_the_middle_leaves_nothing(play, monkeypatch):
    async def scene(service, _clock):
        run = AccountImport(service.store, service.clock())
        add, calls = run._add, Counter()

        def failing(row):
            calls["add"] += 1
            if calls["add"] == 2:
                raise StoreUnavailable("the disk is full")
            return add(row)

        monkeypatch.setattr(run, "_add", failing)
        rows = [ImportedAccount(username=name) for name in ("ada", "bob")]
        with pytest.raises(StoreUnavailable):
            await run.add(rows)
        there = await service.accounts.page()
        monkeypatch.undo()
        return there, await run.add(rows)

    there, results = play(scene)
    assert there == []
    assert [one.outcome for one in results] == [Outcome.IMPORTED] * 2


def test_each_imported_account_stands_in_the_audit_log_without_its_hash(play):
    async def scene(service, _clock):
        await AccountImport(service.store, service.clock()).add(
            [ImportedAccount(username="ada", password_hash=foreign())]
        )
        return await newest(service.store, 100)

    # The first key is of the same moment.
    [entry] = [one for one in play(scene) if one.account_id is not None]
    assert (entry.event, entry.actor, entry.reason) == ("account_created", "operator", "imported")


# Signing in


@pytest.mark.parametrize(
    "account",
    [
        ImportedAccount(username="ada", password_hash=foreign("another-password")),
        ImportedAccount(username="ada", password_hash=BCRYPT.replace("$04$", "$05$")),
        ImportedAccount(username="ada"),
        ImportedAccount(username="ada", password_hash=foreign(), disabled=True),
        None,
    ],
)
def test_an_imported_account_is_answered_as_none_is(play, account):
    async def scene(service, _clock):
        if account is not None:
            await AccountImport(service.store, service.clock()).add([account])
        body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
        answer = await ask(build_app(service), "POST", "/sessions", headers=[JSON], body=body)
        return answer.status, answer.json()

    status, answer = play(scene)
    assert status == 401
    assert answer == {
        "error": "invalid_grant",
        "error_description": "the username or the password is wrong",
    }


def test_the_password_of_an_imported_account_can_be_changed_before_any_other_sign_in(play):
    async def scene(service, _clock):
        await AccountImport(service.store, service.clock()).add(
            [ImportedAccount(username="ada", password_hash=foreign())]
        )
        account = await service.accounts.find("ada")
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        passwords = PASSWORD, "a-new-long-password"
        return await service.accounts.change_password(
            account, *passwords, grant.session_id, OPERATOR
        )

    assert play(scene)


def test_ten_thousand_accounts_of_django_are_imported_and_sign_in(play):
    count, salts = 10_000, 50
    hashes = [foreign(f"password-of-{number}", f"salt{number}") for number in range(salts)]
    lines = ["username,password_hash,email,given_name,disabled"]
    lines += [
        f"user{number},{hashes[number % salts]},user{number}@example.com,User,False"
        for number in range(count)
    ]
    computed = Counter()

    async def scene(service, _clock):
        passwords = service.accounts._passwords
        work = passwords._run

        async def counted(what):
            computed["hashes"] += 1
            return await work(what)

        passwords._run = counted
        run = AccountImport(service.store, service.clock())
        rows = [row.account for row in read("\n".join(lines), "csv")]
        before = service.store.statements_run
        results = Counter()
        for start in range(0, count, 200):
            results.update(one.outcome for one in await run.add(rows[start : start + 200]))
        statements = service.store.statements_run - before
        assert computed["hashes"] == 0
        # An account, and its entry in the audit log.
        assert statements <= 2.1 * count
        for number in range(0, count, count // 50):
            password = f"password-of-{number % salts}"
            assert isinstance(await service.accounts.check(f"user{number}", password), Account)
        return results

    assert play(scene) == {Outcome.IMPORTED: count}


def test_of_many_sign_ins_at_once_with_a_foreign_hash_all_are_good(play):
    async def scene(service, _clock):
        await AccountImport(service.store, service.clock()).add(
            [ImportedAccount(username="ada", password_hash=foreign())]
        )
        tries = (service.accounts.check("ada", PASSWORD) for _ in range(5))
        return await asyncio.gather(*tries)

    assert all(isinstance(found, Account) for found in play(scene))


@pytest.mark.parametrize("given", [{}, {"password_hash": "!unusable"}, {"password_hash": ""}])
def test_an_account_without_a_password_comes_over_as_one_and_may_be_given_its_first(play, given):
    async def scene(service, clock):
        row = read_row({"username": "ada", "id": "1", **given})
        [result] = await AccountImport(service.store, clock()).add([row])
        assert result.outcome is Outcome.IMPORTED, result
        had = await service.accounts.has_password("1")
        [(passwords, *_)] = await service.store.read(sql.WAYS_IN, "1")
        exported = [one async for one in export_accounts(service.store, with_hashes=True)]
        await service.deletions.delete("1", OPERATOR)
        [again] = await AccountImport(service.store, clock()).add(map(read_row, exported))
        return had, passwords, again.outcome

    assert play(scene) == (False, 0, Outcome.IMPORTED)
