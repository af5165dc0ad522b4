"""Mails that wait: sent once their transaction is done, whatever becomes of the mail server."""

import asyncio

import aiosmtplib
import pytest
from aiosmtpd.smtp import AuthResult
from prometheus_client import REGISTRY
from tests.server.asgi import ask
from tests.server.mail.certificates import self_signed
from tests.server.mail.inbox import link_of

from carnet.errors import ConfigurationError
from carnet.server.app import build_app
from carnet.server.mail import delivery, smtp
from carnet.server.mail.letters import LETTERS
from carnet.server.mail.outbox import MOST_WAITING, Letter
from carnet.server.mail.smtp import NotSent
from carnet.server.settings import Settings, check_settings

MINUTE = 60
DAY = 86_400


@pytest.fixture
def engine(request):
    given = getattr(request, "param", "sqlite")
    return "" if given == "sqlite" else request.getfixturevalue("postgres_store")


on_both_engines = pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)


def letter(to="alice@example.com"):
    return Letter("reset", to, dict(LETTERS["reset"]))


async def write(service, clock, *letters):
    for one in letters:
        await service.store.transact(lambda one=one: service.outbox.add(one, clock()))


async def send(service):
    """Run the task once; give why it failed."""
    task = service.background.tasks["mail"]
    await task.attempt()
    return task.failing


async def waiting(service):
    return (await service.delivery.queue()).waiting


def count(outcome):
    return REGISTRY.get_sample_value("carnet_mails_total", {"outcome": outcome}) or 0


@on_both_engines
def test_a_mail_is_sent_once_it_is_committed_and_is_gone_then(mailing, inbox):
    async def scene(service, clock):
        def undone():
            yield from service.outbox.add(letter("never@example.com"), clock())
            raise LookupError

        with pytest.raises(LookupError):
            await service.store.transact(undone)
        await write(service, clock, letter(), letter("bob@example.com"))
        async with inbox.open():
            failed = await send(service)
            again = await send(service)
        return failed, again, await waiting(service)

    assert mailing(scene) == (None, None, 0)
    assert sorted(mail["To"] for mail in inbox.mails) == ["alice@example.com", "bob@example.com"]


def test_what_a_mail_says_is_not_in_the_database(mailing):
    async def scene(service, clock):
        await write(service, clock, letter())
        return await service.store.read("SELECT * FROM mail")

    [row] = mailing(scene)
    assert not any(b"alice" in bytes(value) for value in row if isinstance(value, bytes))
    assert not any("alice" in value for value in row if isinstance(value, str))


@on_both_engines
def test_a_mail_outlives_a_restart_and_a_mail_server_that_was_away(mailing, inbox):
    async def before(service, clock):
        await write(service, clock, letter())
        failures = []
        for _ in range(3):
            failures.append(await send(service))
            clock.advance(10 * MINUTE)
        return failures, await service.delivery.queue()

    async def after(service, clock):
        clock.advance(DAY / 2)
        async with inbox.open():
            return await send(service), await waiting(service)

    failures, queue = mailing(before)
    assert set(failures) == {"the mail server can't be reached (SMTPConnectError)"}
    assert (queue.waiting, queue.cause) == (1, failures[0])
    assert mailing(after) == (None, 0)
    assert len(inbox.mails) == 1


def test_the_task_fails_until_the_mail_server_is_back(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter())
        failures = [await send(service), await send(service)]
        # Nothing is due, but nothing is well either.
        clock.advance(DAY / 2)
        async with inbox.open():
            failures.append(await send(service))
        failures.append(await send(service))
        return [failure is None for failure in failures]

    assert mailing(scene) == [False, False, True, True]


def test_what_fails_for_long_shows_where_operators_look(mailing):
    async def scene(service, clock):
        app = build_app(service)
        task = service.background.tasks["mail"]
        await write(service, clock, letter())
        await send(service)
        soon = await ask(app, "GET", "/readyz")
        task._succeeded_at -= 301
        later = await ask(app, "GET", "/readyz")
        return soon.json(), later.status, later.json(), service.background.late

    soon, status, later, late = mailing(scene)
    assert soon == {"status": "ready"}
    # A replica that is taken out would be missed, and another one fares no better.
    assert (status, later) == (200, {"status": "ready", "failing": ["mail"]})
    assert late == []


@pytest.mark.parametrize(
    ("verb", "answer", "outcome"),
    [
        ("RCPT", "550 no such user", "refused"),
        ("DATA", "554 spam", "refused"),
        ("RCPT", "450 later", "postponed"),
        ("DATA", "451 later", "postponed"),
    ],
)
def test_a_mail_that_is_not_taken_harms_no_other(mailing, inbox, verb, answer, outcome):
    async def scene(service, clock):
        await write(service, clock, letter("x@example.com"), letter("bob@example.com"))
        inbox.answers[verb] = answer
        before = count(outcome)
        async with inbox.open():
            failed = await send(service)
            left = await waiting(service)
            clock.advance(10)
            await send(service)
        return failed, left, count(outcome) - before

    failed, left, counted = mailing(scene)
    assert failed is None
    assert left == (outcome == "postponed")
    assert counted == 1
    assert len(inbox.mails) == 1 + (outcome == "postponed")


def test_a_connection_that_breaks_off_loses_nothing(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter("x@example.com"), letter("bob@example.com"))
        inbox.drops = 1
        async with inbox.open():
            failures = []
            for _ in range(3):
                failures.append(await send(service))
                clock.advance(10)
        return failures, await waiting(service)

    failures, left = mailing(scene)
    assert failures[0].startswith("the mail server can't be reached")
    assert (failures[1:], left) == ([None, None], 0)
    # The one that was cut off may have arrived: it is sent again, and known as the same.
    names = [mail["Message-ID"] for mail in inbox.mails]
    assert (len(names), len(set(names))) == (3, 2)


def test_a_mail_server_that_says_nothing_holds_nobody_up_for_long(mailing, inbox, monkeypatch):
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.05)

    async def scene(service, clock):
        await write(service, clock, letter())
        loop = asyncio.get_running_loop()
        # It accepts, and no more.
        silent = await loop.create_server(asyncio.Protocol, "127.0.0.1", inbox.port)
        failed = await send(service)
        silent.close()
        return failed, await waiting(service)

    assert mailing(scene) == ("the mail server does not answer in time", 1)


def test_a_mail_server_that_answers_a_byte_at_a_time_gets_no_longer(mailing, inbox, monkeypatch):
    monkeypatch.setattr(smtp, "WHOLE_SECONDS", 0.2)

    dripping = []

    async def drip(reader, writer):
        dripping.append(asyncio.current_task())
        while not reader.at_eof():
            writer.write(b"2")
            await asyncio.sleep(0.01)
        writer.close()

    async def scene(service, clock):
        await write(service, clock, letter())
        server = await asyncio.start_server(drip, "127.0.0.1", inbox.port)
        failed = await send(service)
        server.close()
        await asyncio.gather(*dripping, return_exceptions=True)
        return failed

    assert mailing(scene) == "the mail server does not answer in time"


@on_both_engines
def test_a_row_that_can_not_be_read_is_gone_and_harms_no_other(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter("x@example.com"), letter("bob@example.com"))
        await service.store.write(
            "UPDATE mail SET content = $1 WHERE id IN (SELECT id FROM mail ORDER BY id LIMIT 1)",
            b"\xff" * 50,
        )
        await write(service, clock, Letter("nothing", "x@example.com", {}), letter("no address"))
        before = count("unreadable")
        async with inbox.open():
            failed = await send(service)
        return failed, await waiting(service), count("unreadable") - before

    assert mailing(scene) == (None, 0, 3)
    assert len(inbox.mails) == 1


def test_another_row_s_mail_is_not_read(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter())
        await service.store.write("UPDATE mail SET id = 'other'")
        async with inbox.open():
            await send(service)

    mailing(scene)
    assert inbox.mails == []


def test_what_nobody_needs_any_more_is_given_up(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter())
        await send(service)
        clock.advance(DAY + 1)
        before = count("given_up")
        async with inbox.open():
            await send(service)
        return await waiting(service), count("given_up") - before

    assert mailing(scene) == (0, 1)
    assert inbox.mails == []


@on_both_engines
def test_so_many_mails_wait_and_no_more(mailing):
    async def scene(service, clock):
        made = [
            await service.store.transact(lambda: service.outbox.add(letter(), clock(), most=2))
            for _ in range(3)
        ]
        return made, await waiting(service)

    assert mailing(scene) == ([True, True, False], 2)
    assert MOST_WAITING <= 10_000


@on_both_engines
def test_of_two_that_send_one_has_each_mail(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, *(letter(f"{name}@example.com") for name in "abcdef"))
        other = delivery.Delivery(service.store, service.outbox, service.settings, clock)
        async with inbox.open():
            await asyncio.gather(other.send_due(), service.delivery.send_due())
        return await waiting(service)

    assert mailing(scene) == 0
    assert "".join(sorted(mail["To"][0] for mail in inbox.mails)) == "abcdef"


def test_without_a_mail_server_nothing_waits_and_no_task_runs(play):
    async def scene(service, clock):
        await write(service, clock, letter())
        return await waiting(service), "mail" in service.background.tasks

    assert play(scene) == (0, False)


def authenticator(server, session, envelope, mechanism, given):
    success = (given.login, given.password) == (b"carnet", b"hush")
    return AuthResult(success=success, handled=False)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1, and the context of a server that has it."""
    return self_signed(tmp_path)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_connection_is_encrypted_verified_and_signed_in_to(
    mailing, inbox, certificate, monkeypatch, security
):
    file, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    given = {"smtp_security": security, "smtp_username": "carnet", "smtp_password": "hush"}
    options = {"authenticator": authenticator}
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        options |= {"auth_require_tls": False}

    async def scene(service, clock):
        await write(service, clock, letter())
        async with inbox.open(tls=context if security == "tls" else None, **options):
            return await send(service)

    assert mailing(scene, **given) is None
    assert inbox.signed_in == [True]
    assert link_of(inbox.mails[0]) == LETTERS["reset"]["link"]


@pytest.mark.parametrize(
    ("security", "cause"),
    [
        ("starttls", "the mail server's certificate can't be verified"),
        ("tls", "the mail server's certificate can't be verified"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    mailing, inbox, certificate, security, cause
):
    _, context = certificate

    async def scene(service, clock):
        await write(service, clock, letter())
        plain = {"tls_context": context} if security == "starttls" else {}
        async with inbox.open(tls=context if security == "tls" else None, **plain):
            return await send(service)

    assert mailing(scene, smtp_security=security) == cause
    assert inbox.mails == []


def test_a_server_without_starttls_gets_neither_password_nor_mail(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter())
        async with inbox.open():
            return await send(service)

    given = {"smtp_security": "starttls", "smtp_username": "carnet", "smtp_password": "hush"}
    assert mailing(scene, **given).startswith(
        "the mail server does not offer what the settings require"
    )
    assert inbox.mails == []


def test_a_wrong_password_is_told_and_never_named(mailing, inbox):
    async def scene(service, clock):
        await write(service, clock, letter())
        options = {"authenticator": authenticator, "auth_require_tls": False}
        async with inbox.open(**options):
            return await send(service), await service.delivery.queue()

    cause, queue = mailing(scene, smtp_username="carnet", smtp_password="wrong-one")
    assert cause == "the mail server rejects smtp_username or smtp_password (535)"
    assert queue.cause == cause


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mail_from": ""}, "mail_from"),
        ({"mail_from": "Acme"}, "mail_from"),
        ({"smtp_host": "mail.example.com", "smtp_password": "x"}, "smtp_security"),
    ],
)
def test_settings_that_can_not_work_are_refused(inbox, given, words):
    with pytest.raises(ConfigurationError, match=words):
        check_settings(Settings(**{**inbox.settings, **given}))


def test_an_error_of_the_mail_server_says_no_address():
    refused = aiosmtplib.SMTPRecipientRefused(550, "<alice@example.com> is unknown", "alice")
    found = smtp._why(aiosmtplib.SMTPRecipientsRefused([refused]))
    assert isinstance(found, NotSent)
    assert str(found) == "the mail server has answered 550"
