"""Signing in with a company's directory, which is a real slapd: by the form, and by the API."""

import asyncio
import json
import socket
import threading

import pytest
from tests.server.conftest import PASSWORD as LOCAL
from tests.server.factors.test_factors import SECRET, code_at
from tests.server.inside import Inside
from tests.server.upstream import slapd as directory
from tests.server.upstream.slapd import ADMINS, PASSWORD, SERVICE_PASSWORD

pytest.importorskip("ldap", reason="there is no python-ldap: see requirements-ldap.lock")

from carnet.server.accounts.passwords import TooBusy
from carnet.server.audit import OPERATOR, newest
from carnet.server.directory_settings import DirectorySettings
from carnet.server.provider_settings import ProviderSettings, RoleRules
from carnet.server.upstream.ldap_directory import LdapDirectory
from carnet.server.upstream.provider import UpstreamRefused

ISSUER = "https://auth.example"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    if directory.PROGRAM is None:
        pytest.skip("there is no slapd: apt-get install slapd")
    with directory.slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def signing_in(play, slapd):
    """Run a scene with a browser; what is given by name are settings of the directory."""

    def run(scene, *, settings=None, others=None, **more):
        async def opened(service, clock):
            browser = Inside(service)
            browser.clock = clock
            return await scene(browser)

        given = {"company": DirectorySettings(**slapd.settings(**more)), **(others or {})}
        return play(
            opened, issuer=ISSUER, audiences=("orders",), directories=given, **(settings or {})
        )

    return run


async def enter(browser, username, password=PASSWORD):
    """Fill in the sign-in form; give the answer."""
    browser.client.cookies.clear()
    form = {"username": username, "password": password, "continue": "/me"}
    return await browser.client.post("/sign-in", data=form)


async def names(browser):
    return sorted(one.username for one in await browser.service.accounts.page())


async def identities(browser, username):
    account = await browser.service.accounts.find(username)
    return [one.issuer for one in await browser.service.identities.of_account(account.id)]


def test_whoever_comes_the_first_time_has_an_account_with_what_the_directory_says(signing_in):
    async def scene(browser):
        answer = await enter(browser, "ADA")
        assert answer.headers["location"] == "/me"
        service = browser.service
        account = await service.accounts.find("ada")
        assert account.roles == ("boss",)
        assert account.claims == {"name": "Ada Lovelace", "title": "Countess"}
        assert not await service.accounts.has_password(account.id)
        [identity] = await service.identities.of_account(account.id)
        assert (identity.issuer, len(identity.subject)) == ("ldap:company", 36)
        # The second time it is the same one.
        assert (await enter(browser, "ada")).headers["location"] == "/me"
        assert await names(browser) == ["ada"]
        page = await browser.client.get("/me/factors")
        assert "Company" in page.text
        sessions = await service.sessions.of_account(account.id)
        assert {one.identity_issuer for one in sessions} == {"ldap:company"}
        return [one.event for one in await newest(service.store, 20)]

    rules = RoleRules(values={ADMINS.upper().replace(",", ", "): "boss"})
    claims = {"name": "name", "title": "title", "email": "email"}
    events = signing_in(scene, roles=rules, claims=claims)
    assert {"account_created", "identity_linked", "roles_changed", "session_begun"} <= set(events)


def test_a_program_signs_somebody_in_as_the_form_does(signing_in):
    async def scene(browser):
        said = {"username": "grace", "password": PASSWORD}
        good = await browser.client.post("/sessions", json=said)
        assert good.status_code == 201
        wrong = await browser.client.post("/sessions", json={**said, "password": "wrong"})
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_grant")

    signing_in(scene)


@pytest.mark.parametrize("username", ["ada", "nobody", "twin"])
@pytest.mark.parametrize("password", ["wrong", "", "\0", PASSWORD + "\0", SERVICE_PASSWORD])
def test_another_password_lets_nobody_in_and_none_at_all_neither(signing_in, username, password):
    async def scene(browser):
        answer = await browser.client.post(
            "/sessions", json={"username": username, "password": password}
        )
        assert answer.status_code == 401
        assert answer.json()["error_description"] == "the username or the password is wrong"
        assert await names(browser) == []

    signing_in(scene)


@pytest.mark.parametrize(
    "username",
    [
        *("*", "ad*", "ada)(uid=*", "*)(|(uid=*", "ada)(objectClass=*", "a\\64a", "ada\0", "\\2a"),
        *("ada)(cn=Ada", "a" * 1000, "uid=ada,ou=People,dc=example,dc=com", "ada))(|(uid=ada"),
    ],
)
def test_what_is_typed_is_a_value_and_never_a_filter(signing_in, username):
    async def scene(browser):
        answer = await browser.client.post(
            "/sessions", json={"username": username, "password": PASSWORD}
        )
        assert answer.status_code == 401
        assert await names(browser) == []

    signing_in(scene)


def test_a_name_that_two_people_have_lets_neither_in(signing_in):
    async def scene(browser):
        assert (await enter(browser, "twin")).status_code == 401

    signing_in(scene)


def test_what_active_directory_has_disabled_is_not_let_in(signing_in):
    async def scene(browser):
        assert (await enter(browser, "on")).status_code == 303
        answer = await enter(browser, "off")
        assert answer.status_code == 403
        assert "use this service" in answer.text
        assert await names(browser) == ["on"]

    signing_in(scene)


def test_a_local_account_is_nobodys_who_is_called_so_in_the_directory(signing_in, slapd):
    async def scene(browser):
        service = browser.service
        await service.accounts.create("ada", LOCAL, ("carnet:admin",))
        local = await service.accounts.find("ada")
        assert (await enter(browser, "ada", LOCAL)).status_code == 303
        # The directory's Ada does not get in by it, with the right password of hers.
        assert (await enter(browser, "ada")).status_code == 401
        assert await names(browser) == ["ada"]
        # Nor with an account that has no password.
        await service.accounts.create("grace", None, ("carnet:admin",))
        assert (await enter(browser, "grace")).status_code == 303
        assert await names(browser) == ["ada", "grace", "grace2"]
        assert (await service.accounts.find("grace2")).roles == ()
        assert await identities(browser, "grace") == []
        # Whom an administrator has linked comes to it with either password.
        entry = await service.upstream.directories.sign_in("ada", PASSWORD, None)
        await service.identities.link(local.id, "ldap:company", entry.said.subject, OPERATOR)
        assert (await enter(browser, "ada")).status_code == 303
        assert (await enter(browser, "ada", LOCAL)).status_code == 303
        assert await names(browser) == ["ada", "grace", "grace2"]

    signing_in(scene)


def test_a_password_that_was_typed_for_a_local_account_never_reaches_the_directory(
    signing_in, monkeypatch
):
    bound = []
    real = LdapDirectory._bind

    def listening(self, url, dn, password):
        bound.append((dn, password))
        return real(self, url, dn, password)

    monkeypatch.setattr(LdapDirectory, "_bind", listening)

    async def scene(browser):
        await browser.service.accounts.create("ada", LOCAL)
        await enter(browser, "ada", LOCAL)
        assert bound == []
        # But it is asked as if: how long an answer takes tells nothing.
        for username, password in (("ada", "mistyped-local"), ("nobody", "secret-of-nobody")):
            await enter(browser, username, password)
        assert len(bound) == 2
        assert not any("mistyped" in repr(one) or "ada" in one[0] for one in bound)

    signing_in(scene)


def test_whoever_is_disabled_here_is_not_let_in_by_the_directory(signing_in):
    async def scene(browser):
        await enter(browser, "ada")
        account = await browser.service.accounts.find("ada")
        await browser.service.accounts.disable(account.id, OPERATOR)
        assert (await enter(browser, "ada")).status_code == 403
        assert await names(browser) == ["ada"]

    signing_in(scene)


def test_who_has_a_second_factor_is_asked_for_it(signing_in):
    async def scene(browser):
        await enter(browser, "ada")
        service, clock = browser.service, browser.clock
        account = await service.accounts.find("ada")
        code = code_at(clock, SECRET)
        await service.factors.add_totp(account, "f1", SECRET, code, "Phone", OPERATOR)
        clock.advance(60)
        said = {"username": "ada", "password": PASSWORD}
        refused = await browser.client.post("/sessions", json=said)
        assert refused.json()["error"] == "second_factor_required"
        with_code = {**said, "code": code_at(clock, SECRET)}
        assert (await browser.client.post("/sessions", json=with_code)).status_code == 201
        await enter(browser, "ada")
        assert (await browser.client.get("/me")).is_redirect

    signing_in(scene)


def test_only_those_are_let_in_whom_the_settings_let_in(signing_in):
    async def scene(browser):
        assert (await enter(browser, "ada")).status_code == 303
        refused = await enter(browser, "grace")
        assert refused.status_code == 403
        said = {"username": "grace", "password": PASSWORD}
        api = await browser.client.post("/sessions", json=said)
        assert (api.status_code, api.json()["error"]) == (403, "access_denied")
        assert await names(browser) == ["ada"]

    signing_in(scene, required={"groups": ADMINS})


def test_nobody_has_an_account_made_where_only_linked_ones_are_let_in(signing_in):
    async def scene(browser):
        assert (await enter(browser, "ada")).status_code == 403
        assert await names(browser) == []
        account = await browser.service.accounts.create("lovelace", None)
        entry = await browser.service.upstream.directories.sign_in("ada", PASSWORD, None)
        subject = entry.said.subject
        await browser.service.identities.link(account.id, "ldap:company", subject, OPERATOR)
        assert (await enter(browser, "ada")).status_code == 303
        assert await names(browser) == ["lovelace"]

    signing_in(scene, provision="linked-only")


def test_groups_can_be_found_by_a_filter_and_roles_go_with_them(signing_in):
    async def scene(browser):
        await enter(browser, "grace")
        first = (await browser.service.accounts.find("grace")).roles
        await enter(browser, "ada")
        return first, (await browser.service.accounts.find("ada")).roles

    rules = RoleRules(claim="group_names", prefix="P", values={"Admins": "boss"})
    found = signing_in(scene, group_filter="(member={dn})", roles=rules)
    assert found == (("ress",), ("boss",))


def test_failures_are_throttled_as_for_local_passwords(signing_in):
    async def scene(browser):
        answers = [(await enter(browser, "ada", f"wrong-{number}")) for number in range(30)]
        statuses = {one.status_code for one in answers}
        assert statuses == {401, 429}
        assert (await enter(browser, "ada")).status_code == 429

    signing_in(scene)


@pytest.mark.parametrize(
    "more",
    [
        # Nothing answers there; the server is not who it says it is, by name or by authority.
        {"urls": ("ldaps://127.0.0.1:1",)},
        {"urls": ("other_name",)},
        {"ca_file": ""},
        {"urls": ("plain",), "ca_file": ""},
        {"base": "dc=elsewhere"},
        {"bind_dn": "cn=nobody,dc=example,dc=com"},
    ],
)
def test_a_directory_that_can_not_be_asked_gives_a_page_and_local_accounts_go_on(
    signing_in, slapd, capsys, more
):
    urls = tuple(getattr(slapd, one, one) for one in more.get("urls", (slapd.tls,)))

    async def scene(browser):
        await browser.service.accounts.create("local", LOCAL)
        for username in ("ada", "local", "nobody"):
            browser.clock.advance(60)
            answer = await enter(browser, username)
            assert answer.status_code == 503
            assert "directory" in answer.text
        assert (await enter(browser, "local", LOCAL)).status_code == 303
        said = {"username": "ada", "password": PASSWORD}
        api = await browser.client.post("/sessions", json=said)
        assert (api.status_code, api.json()["error"]) == (503, "temporarily_unavailable")
        assert await names(browser) == ["local"]

    signing_in(scene, **{**more, "urls": urls})
    log = capsys.readouterr()
    assert "directory_unavailable" in log.out + log.err
    for secret in (PASSWORD, SERVICE_PASSWORD, LOCAL):
        assert secret not in log.out + log.err


def test_start_tls_is_used_where_the_address_is_not_encrypted(signing_in, slapd):
    async def scene(browser):
        return (await enter(browser, "ada")).status_code

    assert signing_in(scene, urls=(slapd.plain,)) == 303


def test_the_next_server_is_asked_where_one_does_not_answer(signing_in, slapd):
    async def scene(browser):
        return (await enter(browser, "ada")).status_code

    assert signing_in(scene, urls=("ldaps://127.0.0.1:1", slapd.tls)) == 303


def test_a_server_that_was_started_again_is_asked_without_anybody_noticing(signing_in, slapd):
    async def scene(browser):
        assert (await enter(browser, "ada")).status_code == 303
        slapd.stop()
        slapd.start()
        assert (await enter(browser, "ada")).status_code == 303

    signing_in(scene)


def test_what_never_answers_holds_up_nothing_else_and_is_left_alone_for_a_while(play, slapd):
    """A server that takes connections and says nothing, with one second to answer."""

    async def scene(service, clock):
        directories = service.upstream.directories
        asked = asyncio.create_task(directories.sign_in("ada", PASSWORD, None))
        await asyncio.sleep(0)
        # The loop goes on meanwhile.
        assert await service.accounts.page() == []
        with pytest.raises(UpstreamRefused) as refused:
            await asked
        assert refused.value.code == "unavailable"
        accepted = len(taken)
        with pytest.raises(UpstreamRefused):
            await directories.sign_in("ada", PASSWORD, None)
        assert len(taken) == accepted

    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken = []

        def accept():
            while True:
                try:
                    taken.append(silent.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        url = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        given = DirectorySettings(**slapd.settings(urls=(url,), timeout=1))
        play(scene, directories={"company": given})
        silent.shutdown(socket.SHUT_RDWR)
    for one in taken:
        one.close()


def test_no_more_people_wait_for_a_directory_than_will_be_answered_soon(play, slapd):
    async def scene(service, clock):
        asked = [
            service.upstream.directories.sign_in("ada", f"wrong-{number}", None)
            for number in range(40)
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    given = DirectorySettings(**slapd.settings(connections=2))
    found = play(scene, directories={"company": given})
    assert sum(one is None for one in found) == 18
    assert sum(isinstance(one, TooBusy) for one in found) == 22


def test_of_two_directories_the_one_counts_that_knows_the_password(signing_in, slapd):
    guests = DirectorySettings(**slapd.settings(base=f"ou=Guests,{directory.BASE}"))

    async def scene(browser):
        assert (await enter(browser, "twin")).status_code == 303
        assert await identities(browser, "twin") == ["ldap:guests"]

    signing_in(scene, others={"guests": guests})


def test_what_is_down_does_not_hide_the_next_directory(signing_in, slapd):
    good = DirectorySettings(**slapd.settings())

    async def scene(browser):
        assert (await enter(browser, "ada")).status_code == 303
        assert await identities(browser, "ada") == ["ldap:other"]
        assert (await enter(browser, "ada", "wrong")).status_code == 503

    signing_in(scene, urls=("ldaps://127.0.0.1:1",), others={"other": good})


def test_of_two_first_sign_ins_at_once_one_account_comes(signing_in):
    async def scene(browser):
        said = {"username": "ada", "password": PASSWORD}
        both = await asyncio.gather(
            *(browser.client.post("/sessions", json=said) for _ in range(2))
        )
        assert {one.status_code for one in both} == {201}
        assert await names(browser) == ["ada"]

    signing_in(scene)


def test_nothing_of_a_password_is_in_the_log(signing_in, capsys):
    async def scene(browser):
        await enter(browser, "ada")
        await enter(browser, "ada", "a-mistyped-password")
        return json.dumps([one._asdict() for one in await newest(browser.service.store, 50)])

    audit = signing_in(scene)
    log = capsys.readouterr()
    for secret in (PASSWORD, "a-mistyped-password", SERVICE_PASSWORD):
        assert secret not in audit + log.out + log.err


def test_the_directory_is_a_way_in_that_stays_when_a_provider_goes(signing_in):
    other = "https://up.example"

    async def scene(browser):
        service = browser.service
        await enter(browser, "ada")
        account = await service.accounts.find("ada")
        await service.identities.link(account.id, other, "x", OPERATOR)
        assert await service.people.disconnect(account.id, other, "x", "", OPERATOR)
        assert await identities(browser, "ada") == ["ldap:company"]
        # Without the directory it would be the last one.
        await service.accounts.create("joan", None)
        joan = await service.accounts.find("joan")
        for issuer in (other, "ldap:gone"):
            await service.identities.link(joan.id, issuer, "y", OPERATOR)
        with pytest.raises(UpstreamRefused) as refused:
            await service.people.disconnect(joan.id, other, "y", "", OPERATOR)
        assert refused.value.code == "last_way_in"

    providers = {"up": ProviderSettings(client_id="x", issuer=other)}
    signing_in(scene, settings={"providers": providers})
