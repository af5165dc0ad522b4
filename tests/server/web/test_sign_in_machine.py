"""Signing in under everything that can happen to an account, against a model of what was proved.

Passwords, passkeys, apps, recovery codes, mailed codes and browsers that are remembered; rules of
roles, clients and requests; forgotten passwords, links that administrators hand over, "this was not
me": in any order, over HTTP, with two browsers. After each step every door is tried: nobody gets
further than what they have proved, and nobody less far.

``CARNET_SIGN_INS`` is how many lives of an account are played; the tests play a few.
"""

import asyncio
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.server.accounts.test_mailed_codes import code_of
from tests.server.conftest import Clock
from tests.server.factors.test_factors import code_at
from tests.server.factors.test_passkeys import ISSUER, Authenticator
from tests.server.flows import Request, hidden
from tests.server.inside import register
from tests.server.mail.inbox import Inbox, link_of
from tests.server.mail.person import ALICE, Person, deliver
from tests.server.web.sign_in_model import (
    DAY,
    HOUR,
    LATELY,
    MINUTE,
    RECENT,
    REMEMBERED,
    SECOND_STEP,
    Account,
    Link,
    Proved,
)
from tests.server.web.test_demanded_factors import shown_secret

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.service import open_service
from carnet.server.settings import Settings
from carnet.server.web.passkey_sign_in import ask_for_passkey

ADMIN = "carnet:admin"
PASSWORDS = [f"paper-boat-harbour-{number}" for number in range(200)]
FIRST = ("password", "another password", "mail", "passkey")
SECOND = ("app", "used app code", "recovery code", "used recovery code", "passkey", "nothing")
# How many lives are played, and how many things happen in each.
MANY = int(os.environ.get("CARNET_SIGN_INS", "0"))
LIVES = MANY or 12
STEPS = 50

browsers = st.integers(0, 1)
somebody_is_signed_in = precondition(lambda self: any(one.session for one in self.model.browsers))


class SignInMachine(RuleBasedStateMachine):
    """The owner of an account, or a thief: what counts is what the browser's user proves."""

    @initialize(factors=st.sampled_from(["", "app", "passkey", "app passkey"]), role=st.booleans())
    def begin(self, factors, role):
        self.folder = Path(tempfile.mkdtemp(prefix="carnet-sign-ins-"))
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.run(self.open())
        self.model = Account(PASSWORDS[0])
        self.typed = 0
        self.last = 0
        self.device = self.secret = None
        self.used_codes, self.used_steps = ["AAAA-AAAA-AAAA-AAAA"], []
        self.sign_in_well(0, remember=True)
        for factor in factors.split():
            self.change(0, factor)
        if role:
            self.give_or_take_the_role()

    async def open(self):
        await self.open_inbox()
        given = Settings(
            data=str(self.folder),
            issuer=ISSUER,
            audiences=("orders",),
            second_factor_roles=(ADMIN,),
            remembered_browser_lifetime=REMEMBERED,
            sign_in_by_mail=True,
            **self.inbox.settings,
        )
        self.context = open_service(given, self.clock)
        self.service = await self.context.__aenter__()
        self.account = await self.service.accounts.create("alice", PASSWORDS[0])
        await self.service.addresses.add_verified(self.account.id, ALICE, OPERATOR)
        about = {"scope": "openid", "first_party": True, "resources": ("orders",)}
        await register(self.service, **about)
        await register(self.service, "strict", required_acr="aal2", **about)
        self.people = [Person(self.service, self.clock, self.inbox) for _ in range(2)]

    async def open_inbox(self):
        """Listen for mails, at a port that is still free by then."""
        for _ in range(5):
            self.inbox = Inbox()
            self.mail_server = self.inbox.open()
            with suppress(OSError):
                await self.mail_server.__aenter__()
                return
        raise AssertionError("no port is free")

    async def close(self):
        await self.mail_server.__aexit__(None, None, None)
        await self.context.__aexit__(None, None, None)

    def teardown(self):
        if hasattr(self, "model"):
            self.nobody_with_the_right_means_is_locked_out()
            self.run(self.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def run(self, work):
        return self.runner.run(work)

    @property
    def now(self):
        return self.clock.now / 1_000_000

    def post(self, number, path, **form):
        self.last = number
        # Without a field it would be no form.
        return self.run(self.people[number].client.post(path, data={"form": "", **form}))

    def get(self, number, path):
        self.last = number
        return self.run(self.people[number].client.get(path))

    def mailed(self):
        """Have everything delivered, and give the mails that came."""
        self.inbox.envelopes.clear()
        # A wish is a mail of its own before it is one to somebody.
        self.run(deliver(self.service))
        self.run(deliver(self.service))
        return self.inbox.mails

    # What people sign in with.

    @rule(
        number=browsers,
        first=st.sampled_from(FIRST),
        second=st.sampled_from(SECOND),
        remember=st.booleans(),
    )
    def sign_in(self, number, first, second, remember):
        self.clock.advance(31)
        browser, model = self.model.browsers[number], self.model
        right, answer = getattr(self, "by_" + first.replace(" ", "_"))(number)
        right = right and not model.disabled
        if not right:
            assert answer is None or answer.status_code in (401, 422), (first, answer)
            return
        proof = {"another password": "password"}.get(first, first)
        proved = Proved((proof,), self.now)
        where = answer.headers["location"]
        if not model.needs_second(browser, proof, self.now):
            assert where == "/me", (first, where)
            browser.session = proved
            return
        assert where.startswith("/sign-in/code?"), (first, where)
        browser.begun = proved, self.now + SECOND_STEP, model.version
        self.finish(number, second, remember)

    @rule(number=browsers, remember=st.booleans())
    def sign_in_well(self, number, remember):
        """Do it with what the account has."""
        model = self.model
        means = {"password": model.password, "passkey": model.factors.get("passkey"), "mail": True}
        first = next(proof for proof, is_there in means.items() if is_there)
        self.sign_in(number, first, self.second_of_account(), remember)

    sign_in_well_again = rule(number=browsers, remember=st.booleans())(
        lambda self, number, remember: self.sign_in_well(number, remember)
    )

    @rule(number=browsers)
    def come_with_a_remembered_browser(self, number):
        self.sign_in_well(number, remember=True)
        self.sign_in_well(number, remember=False)

    @precondition(lambda self: self.model.codes)
    @rule(number=browsers)
    def lose_the_app(self, number):
        self.sign_in(number, "password", "recovery code", remember=False)

    def second_of_account(self):
        return next((one for one in ("app", "passkey") if one in self.model.factors), "app")

    @somebody_is_signed_in
    @rule(number=browsers)
    def step_up_well(self, number):
        self.step_up(number, self.second_of_account())

    def by_password(self, number):
        typed = self.model.password or PASSWORDS[0]
        form = {"username": "alice", "password": typed, "continue": "/me"}
        return self.model.password is not None, self.post(number, "/sign-in", **form)

    def by_another_password(self, number):
        """Type one that is no good any more, or never was."""
        before = PASSWORDS[self.typed - 1]
        form = {"username": "alice", "password": before, "continue": "/me"}
        return before == self.model.password, self.post(number, "/sign-in", **form)

    def by_mail(self, number):
        self.clock.advance(10 * MINUTE)
        page = self.post(number, "/sign-in/mail", username="alice", **{"continue": "/me"})
        mails = [mail for mail in self.mailed() if "code" in mail["Subject"].lower()]
        found = [
            mail
            for mail in mails
            if re.search(r"^ +\d{4} \d{4}\s*$", mail.as_string(), re.MULTILINE)
        ]
        assert bool(found) is not self.model.disabled, [mail["Subject"] for mail in mails]
        code = code_of(found[-1]) if found else "12345678"
        form = {**hidden(page.text), "code": code}
        return bool(found), self.post(number, "/sign-in/mail/code", **form)

    def by_passkey(self, number):
        if self.device is None:
            return False, None
        ceremony = self.run(ask_for_passkey(self.service, "sign in"))
        form = {"state": ceremony.state, "answer": self.device.sign(ceremony.options)}
        answer = self.post(number, "/sign-in/passkey", **form, **{"continue": "/me"})
        return "passkey" in self.model.factors, answer

    @precondition(lambda self: any(one.begun for one in self.model.browsers))
    @rule(number=browsers, second=st.sampled_from(SECOND), remember=st.booleans())
    def finish(self, number, second, remember):
        """Take the second step of what was begun, some time or other."""
        browser, model = self.model.browsers[number], self.model
        begun, until, version = browser.begun or (None, 0, 0)
        is_good = begun and self.now < until and version == model.version and not model.disabled
        page = self.get(number, "/sign-in/code?continue=/me")
        if not is_good:
            assert page.headers["location"].endswith("why=late")
        elif not model.factors:
            self.set_app_up(number, page, begun)
            return
        else:
            assert page.status_code == 200
        if second == "nothing":
            answer = self.post(number, "/sign-in/code", code="", **{"continue": "/me"})
            assert not is_good or answer.status_code == 422
            return
        more = {"remember": "1"} if remember else {}
        proof, answer = getattr(self, "then_" + second.replace(" ", "_"))(number, is_good, more)
        if proof is None or not is_good:
            assert answer is None or answer.headers.get("location") != "/me", (second, answer)
            return
        assert answer.headers.get("location") == "/me", (second, answer.text)
        browser.session, browser.begun = begun.and_also(proof), None
        if remember and not model.administrator:
            browser.remembered_until = self.now + REMEMBERED

    def type_code(self, number, code, more):
        return self.post(number, "/sign-in/code", code=code, **{"continue": "/me", **more})

    def then_app(self, number, is_good, more):
        if self.secret is None:
            return None, None
        code = self.fresh_code()
        answer = self.type_code(number, code, more)
        if is_good and "app" in self.model.factors:
            self.used_steps.append(code)
            return "app", answer
        return None, answer

    def then_used_app_code(self, number, is_good, more):
        self.clock.advance(2 * MINUTE)
        return None, self.type_code(number, (self.used_steps or ["000000"])[-1], more)

    def then_recovery_code(self, number, is_good, more):
        if not self.model.codes:
            return None, None
        code = self.model.codes[0]
        answer = self.type_code(number, code, more)
        if not is_good:
            return None, answer
        self.used_codes.append(self.model.codes.pop(0))
        given = {"username": "alice", "password": self.model.password or PASSWORDS[0]}
        again = self.run(self.people[number].client.post("/sessions", json={**given, "code": code}))
        assert again.status_code == 401, "a recovery code was taken twice"
        return "recovery code", answer

    def then_used_recovery_code(self, number, is_good, more):
        self.clock.advance(2 * MINUTE)
        return None, self.type_code(number, self.used_codes[-1], more)

    def then_passkey(self, number, is_good, more):
        if self.device is None:
            return None, None
        ceremony = self.run(ask_for_passkey(self.service, "second factor", self.account))
        if ceremony is None:
            return None, None
        form = {"state": ceremony.state, "answer": self.device.sign(ceremony.options), **more}
        answer = self.post(number, "/sign-in/code/passkey", **form, **{"continue": "/me"})
        return ("passkey" if "passkey" in self.model.factors else None), answer

    def fresh_code(self):
        self.clock.advance(MINUTE)
        return code_at(self.clock, self.secret)

    def set_app_up(self, number, page, begun):
        """Add the app that is demanded of whoever has no factor."""
        form, (secret, code) = hidden(page.text), self.app_of(page)
        answer = self.post(number, "/sign-in/app", **{**form, "code": code, "name": ""})
        assert answer.status_code == 200, answer.headers
        self.has_app(secret, code)
        self.model.codes = self.codes_of(answer)
        browser = self.model.browsers[number]
        browser.session, browser.begun = begun.and_also("app"), None

    def app_of(self, page):
        secret = shown_secret(page.text)
        return secret, code_at(self.clock, secret)

    def has_app(self, secret, code):
        self.secret = secret
        self.used_steps.append(code)
        self.model.factors["app"] = self.now

    def codes_of(self, answer):
        found = re.findall("<li><code>([0-9A-Z-]{19})</code></li>", answer.text)
        assert len(found) == 10
        return found

    @somebody_is_signed_in
    @rule(number=browsers, second=st.sampled_from(SECOND))
    def step_up(self, number, second):
        """Be asked for the second factor alone, as somebody who is signed in."""
        self.clock.advance(31)
        browser, model = self.model.browsers[number], self.model
        where = self.get(number, "/sign-in/once-more?continue=/me").headers["location"]
        if browser.session is None:
            assert where.startswith("/sign-in?"), where
        elif browser.session.strong:
            assert where == "/me", where
        elif not model.factors and self.now >= browser.session.at + RECENT:
            assert where.endswith("why=again"), where
        else:
            assert where.startswith("/sign-in/code?"), where
            browser.begun = browser.session, self.now + SECOND_STEP, model.version
            self.finish(number, second, remember=False)

    @somebody_is_signed_in
    @rule(number=browsers)
    def sign_out(self, number):
        browser = self.model.browsers[number]
        assert self.post(number, "/sign-out").status_code == 303
        browser.session = browser.begun = None

    # What one changes about one's account.

    @somebody_is_signed_in
    @rule(
        number=browsers,
        what=st.sampled_from(["app", "app", "passkey", "passkey", "codes", "data", "emails"]),
    )
    def change(self, number, what):
        """Do what asks for a recent sign-in with all that there is."""
        self.clock.advance(31)
        session, model = self.model.browsers[number].session, self.model
        allowed = model.may_change(session, self.now)
        path = {
            "data": "/me/data",
            "emails": "/me/emails/new",
            "codes": "/me/factors/recovery-codes",
        }.get(what, f"/me/factors/{what}")
        page = self.get(number, path)
        if not allowed:
            assert page.status_code == 303, path
            assert page.headers["location"].startswith("/sign-in"), path
            refused = self.post(number, path, id=what)
            assert refused.status_code == (405 if what == "data" else 401)
            return
        if what == "codes":
            assert page.status_code == (200 if model.factors else 303)
            answer = self.post(number, path)
            if model.factors:
                self.used_codes += model.codes
                model.codes = self.codes_of(answer)
            return
        assert page.status_code == 200, path
        if what in ("data", "emails") or what in model.factors:
            return
        is_first = not model.factors
        if what == "app":
            secret, code = self.app_of(page)
            form = {**hidden(page.text), "code": code, "name": ""}
            answer = self.post(number, path, **form)
            self.has_app(secret, code)
        else:
            self.device = Authenticator(self.account.id, os.urandom(16))
            ceremony = self.run(ask_for_passkey(self.service, "new", self.account))
            form = {"state": ceremony.state, "answer": self.device.make(ceremony.options)}
            answer = self.post(number, path, **form, name="")
            model.factors["passkey"] = self.now
        if is_first:
            model.codes = self.codes_of(answer)
        else:
            assert answer.headers["location"] == "/me/factors?done=added"

    @somebody_is_signed_in
    @rule(number=browsers, what=st.sampled_from(["app", "passkey"]))
    def remove(self, number, what):
        browser, model = self.model.browsers[number], self.model
        for one in self.run(self.service.factors.of_account(self.account.id)):
            if one.kind != {"app": "totp"}.get(what, what):
                continue
            answer = self.post(number, "/me/factors/remove", id=one.id)
            if not model.may_change(browser.session, self.now):
                assert answer.status_code == 401
            elif what == "passkey" and model.password is None:
                # The last way in.
                assert answer.status_code == 409
            else:
                assert answer.headers["location"] == "/me/factors?done=removed"
                before = list(model.codes)
                model.without(what, but=browser)
                self.used_codes += [] if model.codes else before

    @somebody_is_signed_in
    @rule(number=browsers, right=st.booleans())
    def change_password(self, number, right):
        self.clock.advance(31)
        browser, model = self.model.browsers[number], self.model
        new = self.new_password()
        current = model.password if right and model.password else "not-the-password"
        form = {"current_password": current, "new_password": new}
        answer = self.post(number, "/me/password", **form)
        may_add_one = model.password is None and model.may_change(browser.session, self.now)
        if browser.session is None or not (model.password or may_add_one):
            assert answer.status_code == 401
        elif model.password is not None and not right:
            assert answer.status_code == 403
        else:
            assert answer.headers["location"] == "/me?done=password", answer.text
            model.password_set(new, but=browser)

    def new_password(self):
        self.typed += 1
        return PASSWORDS[self.typed]

    # What administrators do, and what time does.

    @rule()
    def give_or_take_the_role(self):
        self.model.administrator = not self.model.administrator
        roles = [ADMIN] if self.model.administrator else []
        self.run(self.service.accounts.set_roles(self.account.id, roles, OPERATOR))
        self.model.changed()

    @rule()
    def reset_factors(self):
        count = self.run(self.service.factors.reset(self.account.id, OPERATOR))
        assert count == len(self.model.factors)
        if count:
            self.used_codes += self.model.codes
            self.model.factors.clear()
            self.model.codes.clear()
            self.model.signed_out()

    @precondition(lambda self: self.model.disabled)
    @rule()
    def enable(self):
        self.run(self.service.accounts.enable(self.account.id, OPERATOR))
        self.model.disabled = False
        self.model.changed()

    @somebody_is_signed_in
    @rule(number=browsers)
    def end_other_sessions(self, number):
        browser = self.model.browsers[number]
        answer = self.post(number, "/me/sessions/end-others")
        if browser.session is None:
            assert answer.status_code == 401
        else:
            self.model.signed_out(but=browser)

    @rule(seconds=st.sampled_from([MINUTE, MINUTE, 4 * MINUTE, RECENT, HOUR, LATELY]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    # The ways back.

    @rule(purpose=st.sampled_from(["reset", "recover"]))
    def hand_over(self, purpose):
        handed = self.run(self.service.recovery.hand_over(self.account.id, purpose, OPERATOR))
        lives = {"reset": DAY, "recover": HOUR}
        self.model.links.append(Link(purpose, handed.link, self.now + lives[purpose]))

    @rule(number=browsers, purpose=st.sampled_from(["reset", "recover"]))
    def use_one_of_two_links(self, number, purpose):
        self.hand_over("reset")
        self.hand_over(purpose)
        self.use_a_link(number, len(self.model.links) - 1, again=True)

    @rule(number=browsers)
    def forget(self, number):
        self.clock.advance(10 * MINUTE)
        self.post(number, "/forgot-password", username="alice")
        links = [mail for mail in self.mailed() if "new password" in mail["Subject"]]
        assert bool(links) is not self.model.disabled
        for mail in links:
            self.model.links.append(Link("reset", link_of(mail), self.now + 30 * MINUTE))

    @rule()
    def read_a_notice(self):
        """Have the link of a notice at hand."""
        for mail in self.mailed()[-1:]:
            if "/link/not-me" in mail.as_string():
                self.model.links.append(Link("not-me", link_of(mail), self.now + LATELY - HOUR))

    @precondition(lambda self: self.model.links)
    @rule(number=browsers, place=st.integers(0, 11), again=st.booleans())
    def use_a_link(self, number, place, again):
        model = self.model
        link = model.links[place % len(model.links)]
        is_good = not (link.used or model.disabled or self.now >= link.until)
        new = self.new_password()
        self.last = number
        answer = self.run(self.people[number].use(link.url, new_password=new))
        if not is_good:
            assert answer.status_code in (404, 410), answer
            return
        link.used = True
        where = answer.headers.get("location", "")
        if link.purpose != "not-me":
            assert where.startswith("/sign-in?why=password"), answer.text
            if link.purpose == "recover":
                self.used_codes += model.codes
                model.factors.clear()
                model.codes.clear()
            model.password_set(new)
        else:
            model.password_set(None)
            model.disabled = any(added >= self.now - LATELY for added in model.factors.values())
            assert where.startswith(f"{ISSUER}/link/reset") is not model.disabled, answer.text
            if not model.disabled:
                model.links.append(Link("reset", where, self.now + 30 * MINUTE))
        for one in [link, *(one for one in model.links if one.used)][: 3 * again]:
            twice = self.run(self.people[number].use(one.url, new_password=new))
            assert twice.status_code in (404, 410), one

    @rule(second=st.sampled_from(SECOND))
    def sign_a_program_in(self, second):
        """Ask for tokens with a password and a code at once: no browser is remembered there."""
        self.clock.advance(31)
        model = self.model
        given = {"username": "alice", "password": model.password or PASSWORDS[0]}
        proof = None
        if second == "app" and self.secret is not None:
            given["code"] = code = self.fresh_code()
            if "app" in model.factors and model.password and not model.disabled:
                proof = "app"
                self.used_steps.append(code)
        elif second == "recovery code" and model.codes:
            given["code"] = model.codes[0]
            if model.password and not model.disabled:
                proof = "recovery code"
                self.used_codes.append(model.codes.pop(0))
        elif second.startswith("used"):
            self.clock.advance(2 * MINUTE)
            kept = self.used_codes if second.endswith("recovery code") else self.used_steps
            given["code"] = (kept or ["000000"])[-1]
        answer = self.run(self.people[0].client.post("/sessions", json=given))
        first = Proved(("password",), self.now)
        if model.password is None or model.disabled:
            assert answer.status_code == 401
        elif not model.factors and not model.administrator:
            self.tells_the_truth(answer.json()["access_token"], first)
        elif proof is None or not model.factors:
            assert answer.json()["error"] == "second_factor_required"
        else:
            self.tells_the_truth(answer.json()["access_token"], first.and_also(proof))

    # What holds after each of these.

    @invariant()
    def nobody_gets_further_than_was_proved(self):
        if not hasattr(self, "model"):
            return
        for number, browser in enumerate(self.model.browsers):
            me = self.run(self.people[number].client.get("/me"))
            assert me.status_code == (303 if browser.session is None else 200), (number, browser)
        self.tries(self.last, "app", max_age=5 * MINUTE)
        self.tries(self.last, "strict")
        self.tries(self.last, "app", acr="aal2")
        session, model = self.model.browsers[self.last].session, self.model
        own = self.get(self.last, "/me/factors/app")
        assert own.status_code == (200 if model.may_change(session, self.now) else 303), session
        admin = self.get(self.last, "/admin")
        expected = 303
        if session is not None:
            expected = 403 if not model.administrator else 200 if session.strong else 303
        assert admin.status_code == expected, (admin.status_code, session)
        # What there is not is looked for once an administrator may change something.
        changed = self.post(self.last, f"/admin/users/{self.account.id}/nothing")
        recent = model.may_change(session, self.now)
        expected = {303: 401, 403: 403, 200: 404 if recent else 401}[expected]
        assert changed.status_code == expected, (changed.status_code, session)

    @somebody_is_signed_in
    @rule(
        number=browsers,
        client=st.sampled_from(["app", "strict"]),
        acr=st.sampled_from(["aal1", "aal2", None]),
        max_age=st.sampled_from([5 * MINUTE, HOUR, None]),
    )
    def tries(self, number, client, acr=None, max_age=None):
        """Ask for tokens without being seen, and look whether they come and what they say."""
        asked = Request(client_id=client, prompt="none", acr_values=acr)
        if max_age is not None:
            asked.parameters["max_age"] = str(max_age)
        person = self.people[number]
        answer = self.run(person.client.get("/authorize", params=asked.parameters))
        told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        session, least = self.model.browsers[number].session, "aal2" if client == "strict" else ""
        enough = self.model.enough(session, self.now, acr=least + (acr or ""), max_age=max_age)
        assert ("code" in told) is enough, (told, session, client, acr, max_age)
        if enough:
            tokens = self.run(person.exchange(asked, told["code"])).json()
            self.tells_the_truth(tokens["id_token"], session)
            self.tells_the_truth(tokens["access_token"], session)

    def tells_the_truth(self, token, proved):
        claims = inspect(token).claims
        assert claims["acr"] == proved.acr, (claims, proved)
        assert set(claims["amr"]) == proved.amr, (claims, proved)
        assert claims["auth_time"] == int(proved.at), (claims, proved)

    def nobody_with_the_right_means_is_locked_out(self):
        """Get in, with a browser of one's own, by what the account has left."""
        model = self.model
        if model.disabled:
            self.enable()
        if not model.ways_in:
            self.forget(1)
            self.use_a_link(1, len(model.links) - 1, again=False)
        self.clock.advance(10 * MINUTE)
        self.sign_in_well(1, remember=False)
        assert self.model.browsers[1].session is not None
        self.nobody_gets_further_than_was_proved()


def test_nobody_gets_in_with_less_than_the_rules_demand_and_nobody_is_locked_out():
    run_state_machine_as_test(
        SignInMachine,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            # The same lives each time that the tests are run, for a minute at most; others, and the
            # shortest that fails, where more are asked for.
            derandomize=not MANY,
            phases=tuple(Phase) if MANY else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
