"""The token debugger in a real browser: its verdicts are the library's, and nothing leaves it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests import processes
from tests.pages.tokens import AUDIENCE, CASES, ES, ISSUER, NOW, said

from carnet import InvalidToken, Key, Verifier
from carnet.jose import jwe, jws
from carnet.jwt import UNCHECKED

ALGORITHMS = [
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
]


@pytest.fixture
def debugger(visit):
    """The debugger, opened in a clean browser; `page.asked` are the addresses it asked for."""

    def opened(**options):
        page = visit(**options)
        page.asked = []
        page.context.on("request", lambda request: page.asked.append(request.url))
        page.goto("/debugger")
        page.wait_for_load_state("networkidle")
        return page

    return opened


def verdict_of_library(case):
    policy = {"issuer": ISSUER, "audience": AUDIENCE, **case.policy}
    if policy.pop("any", False):
        policy |= {"issuer": UNCHECKED, "audience": UNCHECKED}
    try:
        Verifier(case.keys, clock=lambda: NOW, **policy).verify(case.token)
    except InvalidToken as error:
        return [error.code, error.claim, error.expected, str(error)]
    return None


def question(case):
    policy = case.policy
    anything = policy.get("any", False)
    issuer = policy.get("issuer", ISSUER)
    return {
        "token": case.token,
        "keys": case.keys.to_jwks(private=True)["keys"],
        "policy": {
            "issuers": None if anything else [issuer] if isinstance(issuer, str) else issuer,
            "audiences": None if anything else [AUDIENCE],
            "type": policy.get("type", "JWT"),
            "leeway": policy.get("leeway", 0),
            "maxAge": policy.get("max_age"),
            "required": policy.get("required", []),
            "now": NOW,
        },
    }


def test_every_verdict_is_the_librarys(debugger):
    answers = debugger().evaluate(
        """async (questions) => {
            const { verdict } = await import('/static/debugger/verdict.js');
            const { readKeys } = await import('/static/debugger/keys.js');
            const answers = [];
            for (const { token, keys, policy } of questions) {
                const set = await readKeys(JSON.stringify({ keys }));
                if (set.skipped.length) throw new Error(set.skipped.join());
                const said = await verdict(token, set.keys, policy);
                if (said.accepted === false && !said.change) throw new Error(said.code);
                answers.push(said.accepted ? null
                    : [said.code, said.claim, said.expected, said.message]);
            }
            return answers;
        }""",
        [question(case) for case in CASES],
    )
    expected = {case.name: verdict_of_library(case) for case in CASES}
    assert dict(zip(expected, answers, strict=True)) == expected
    assert len({told[0] for told in expected.values() if told}) >= 12


def test_what_the_browser_signs_the_library_verifies_and_the_other_way_round(debugger):
    page = debugger()
    sizes = {"size": 2048}
    keys = [
        Key.generate(alg, **(sizes if alg[1] == "S" and alg[0] in "RP" else {}))
        for alg in ALGORITHMS
    ]
    pems = [key.to_pem().decode() if key.kty != "oct" else "" for key in keys]
    answers = page.evaluate(
        """async (questions) => {
            const { readKeys, generate } = await import('/static/debugger/keys.js');
            const { sign } = await import('/static/debugger/sign.js');
            const { verdict } = await import('/static/debugger/verdict.js');
            const payload = '{"exp":4000000000}';
            const answers = [];
            for (const { alg, jwk, pem, token } of questions) {
                const given = (await readKeys(JSON.stringify(jwk))).keys;
                const said = await verdict(token, given, {});
                const read = pem ? (await readKeys(pem, { alg })).keys : given;
                const again = await verdict(token, read, {});
                const secret = await generate(alg);
                const made = (await readKeys(JSON.stringify(secret))).keys[0];
                answers.push({
                    said: said.accepted && again.accepted,
                    token: await sign(JSON.stringify({ alg }), payload, given[0]),
                    secret,
                    own: await sign(JSON.stringify({ alg, kid: secret.kid }), payload, made),
                });
            }
            return answers;
        }""",
        [
            {
                "alg": key.alg,
                "jwk": key.to_jwk(private=True),
                "pem": pem,
                "token": jws.sign(b'{"exp":4000000000}', key),
            }
            for key, pem in zip(keys, pems, strict=True)
        ],
    )
    for key, answer in zip(keys, answers, strict=True):
        assert answer["said"] is True, key.alg
        assert jws.verify(answer["token"], key).payload == b'{"exp":4000000000}'
        made = Key.from_jwk(answer["secret"])
        assert made.alg == key.alg
        assert jws.verify(answer["own"], made).payload == b'{"exp":4000000000}'


def test_what_the_library_encrypts_the_browser_opens(debugger):
    made = [
        (Key.generate(alg, **more), enc)
        for alg, more, enc in (
            ("A256GCM", {}, "A256GCM"),
            ("A128KW", {}, "A128CBC-HS256"),
            ("A256KW", {}, "A256CBC-HS512"),
            ("A256GCMKW", {}, "A128GCM"),
            ("RSA-OAEP", {"size": 2048}, "A256GCM"),
            ("RSA-OAEP-256", {"size": 2048}, "A256CBC-HS512"),
            ("ECDH-ES", {"crv": "P-256"}, "A256GCM"),
            ("ECDH-ES", {"crv": "P-521"}, "A256CBC-HS512"),
            ("ECDH-ES+A256KW", {"crv": "P-384"}, "A128GCM"),
            ("ECDH-ES+A128KW", {"crv": "X25519"}, "A256GCM"),
        )
    ]
    questions = [
        {
            "token": jwe.encrypt(b"a.b.c", key if key.kty == "oct" else key.public, enc),
            "key": json.dumps(key.to_jwk(private=True)),
        }
        for key, enc in made
    ]
    page = debugger()
    answers = page.evaluate(
        """async (questions) => {
            const { decrypt } = await import('/static/debugger/jwe.js');
            const answers = [];
            for (const { token, key } of questions) answers.push(await decrypt(token, key));
            const changed = questions[0].token.slice(0, -4) + 'AAAA';
            answers.push(await decrypt(changed, questions[0].key).catch((error) => error.message));
            return answers;
        }""",
        questions,
    )
    assert answers[:-1] == ["a.b.c"] * len(made)
    assert answers[-1].startswith("It can't be decrypted")
    key = Key.generate("A256KW")
    page.locator("#token").fill(jwe.encrypt(said().encode(), key))
    page.locator("#about").get_by_text("A256KW: the content key is wrapped").wait_for()
    page.locator("#verdict").get_by_text("Decrypt it").wait_for()
    page.locator("#key").fill(json.dumps(key.to_jwk(private=True)))
    page.get_by_role("button", name="Decrypt").click()
    page.locator("#claims").get_by_text("1dfee8d8").wait_for()
    assert page.locator("#token").input_value().count(".") == 2


def test_broken_tokens_are_decoded_as_far_as_they_go(debugger):
    page = debugger()
    token = said()
    head, body, mark = token.split(".")
    for pasted, told in [
        ("Bearer " + token, "“Bearer”"),
        ('"' + token[:-20], "quotes"),
        (f'"{token}"', "quotes"),
        (token + "==", "padding"),
        (f"{head}.{body}", "2 parts"),
        (f"{head}.{body[:-9]}", "not strict JSON"),
        (json.dumps({"access_token": token}), "access_token"),
        (json.dumps({"payload": body, "protected": head, "signature": mark}), "JSON form"),
        ("\n".join(token[at : at + 40] for at in range(0, len(token), 40)), "line breaks"),
    ]:
        page.get_by_role("textbox", name="Token", exact=True).fill(pasted)
        page.locator("#problems").get_by_text(told).first.wait_for()
        assert (
            page.get_by_role("textbox", name="Header", exact=True)
            .input_value()
            .startswith('{\n  "alg"')
        )
        assert "1dfee8d8" in page.locator("#claims").inner_text()


def test_nothing_that_is_pasted_is_sent(debugger):
    page = debugger()
    own = list(page.asked)
    token = said(ES)
    page.get_by_role("textbox", name="Token", exact=True).fill(token)
    page.get_by_role("textbox", name="Key", exact=True).fill(json.dumps(ES.to_jwk(private=True)))
    page.get_by_text("What the service expects").click()
    page.get_by_label("Issuer (empty: any)").fill(ISSUER)
    page.get_by_label("Moment").fill("2027-01-15T08:00:01")
    page.locator(".stamp.accepted").wait_for()
    page.get_by_role("textbox", name="Payload", exact=True).fill('{"iss":"x","exp":4000000000}')
    page.locator("#verdict").get_by_text("signature_invalid").wait_for()
    page.get_by_role("button", name="Sign again").click()
    page.locator("#verdict").get_by_text("issuer_mismatch").wait_for()
    assert "exp" in page.locator("#claims").inner_text()
    signed = page.get_by_role("textbox", name="Token", exact=True).input_value()
    assert json.loads(jws.verify(signed, ES).payload) == {"iss": "x", "exp": 4000000000}
    page.get_by_label("Issuer (empty: any)").fill("x")
    page.locator(".stamp.accepted").wait_for()
    page.get_by_text("Find an issuer's keys").click()
    page.locator("#find").fill("https://idp.example.com/tenant")
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role(
        "link", name="https://idp.example.com/.well-known/oauth-authorization-server/tenant"
    ).wait_for()
    # The picture in the browser's tab comes when the browser likes.
    assert [url for url in page.asked if "rosette.svg" not in url] == [
        url for url in own if "rosette.svg" not in url
    ]
    assert all("/debugger" in url or "/static/" in url for url in own), own
    assert not any("=" in url.replace("?v=", "") for url in own)


def test_the_keys_of_this_server_are_found(debugger, service):
    page = debugger()
    got = service.sign_in().json()["access_token"]
    page.get_by_role("textbox", name="Token", exact=True).fill(got)
    page.locator(".stamp.accepted").wait_for()
    page.get_by_text("judged as an access token").wait_for()
    page.get_by_text("This server's keys").wait_for()
    page.get_by_text("What the service expects").click()
    page.get_by_label("It takes").select_option("JWT")
    page.locator("#verdict").get_by_text("type_mismatch").wait_for()
    page.get_by_label("It takes").select_option("at+jwt")
    page.get_by_text("Find an issuer's keys").click()
    page.locator("#find").fill(service.url)
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_text("The keys of this server are above").wait_for()
    page.locator(".stamp.accepted").wait_for()
    assert "kty" in page.locator("#key").input_value()
    assert not any(got in url for url in page.asked)


def test_a_link_is_made_only_on_request_and_holds_no_key(debugger):
    page = debugger()
    page.get_by_role("textbox", name="Token", exact=True).fill(said(exp=4000000000))
    page.get_by_role("textbox", name="Key", exact=True).fill(json.dumps(ES.to_jwk(private=True)))
    assert "#" not in page.url
    page.get_by_role("button", name="Make a link…").click()
    page.get_by_text("may still be valid").wait_for()
    page.get_by_role("button", name="Make the link anyway").click()
    link = page.get_by_label("Link").input_value()
    assert ES.to_jwk(private=True)["d"] not in link
    page.goto("about:blank")
    page.goto(link)
    page.locator("#verdict").get_by_text("key_not_found").wait_for()
    page.get_by_text("This token came in a link").wait_for()
    assert page.url.endswith("/debugger")
    assert not any("#" in url or "eyJ" in url.partition("#")[0] for url in page.asked)


def test_the_page_works_by_keyboard_and_has_no_barrier(debugger):
    for scheme in ("light", "dark"):
        page = debugger(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        page.get_by_role("button", name="Load example").focus()
        page.keyboard.press("Enter")
        page.locator(".stamp.accepted").wait_for()
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        page.get_by_text("What the service expects").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Audience (empty: any)").focus()
        page.keyboard.type("x")
        page.locator("#verdict").get_by_text("audience_mismatch").wait_for()
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        page.set_viewport_size({"width": 360, "height": 780})
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_says_first_what_a_person_wants_to_know(debugger):
    """Expired before all that follows from it; a missing key is no refusal; sealed is no error."""
    page = debugger()
    verdict, token = page.locator("#verdict"), page.locator("#token")
    token.fill(said(exp=1_700_000_000))
    verdict.get_by_text("Expired", exact=True).wait_for()
    assert "key_not_found" not in verdict.inner_text()
    page.locator(".checks .bad").get_by_text("no key of the set").or_(
        page.locator(".checks .bad").get_by_text("alg")
    ).first.wait_for()
    page.locator("#timeline").get_by_text("expired").wait_for()
    token.fill(said(iat=NOW - 10**9, exp=4_000_000_000))
    verdict.get_by_text("No key yet").wait_for()
    page.locator("#offer").get_by_text("its metadata").wait_for()
    page.locator("#examples").select_option("encrypted")
    page.get_by_role("button", name="Load example").click()
    verdict.get_by_text("Encrypted", exact=True).wait_for()
    key = page.locator("#key").input_value()
    page.locator("#key").fill("")
    verdict.get_by_text("Encrypted: give the key").wait_for()
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Decrypt").click()
    page.locator("#claims").get_by_text("1dfee8d8").wait_for()
    for name, code in (
        ("expired", "expired"),
        ("audience", "audience_mismatch"),
        ("changed", "signature_invalid"),
        ("none", "malformed"),
    ):
        page.locator("#examples").select_option(name)
        page.get_by_role("button", name="Load example").click()
        verdict.get_by_text(code, exact=True).wait_for()
        assert (page.locator(".checks .unproved").count() > 0) == (code == "signature_invalid")
    for name in ("id", "access"):
        page.locator("#examples").select_option(name)
        page.get_by_role("button", name="Load example").click()
        page.locator(".stamp.accepted").wait_for()
    row = page.locator("#claims tr", has=page.get_by_text("exp (payload)"))
    assert row.get_by_role("link").get_attribute("href").endswith("rfc7519#section-4.1.4")


def test_two_tokens_are_compared_in_tabs_of_a_narrow_screen(debugger):
    page = debugger(viewport={"width": 360, "height": 780})
    page.locator("#token").fill(said())
    page.get_by_role("tab", name="Token").focus()
    for name in ("Contents", "Verdict", "Compare"):
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
    assert not page.locator("#token").is_visible()
    page.get_by_role("textbox", name="Other token").fill(said(sub="mallory", roles=["ADMIN"]))
    page.get_by_text("2 differences; 6 the same.").wait_for()
    assert page.locator("#diff tr").all_inner_texts() != []
    assert '["ADMIN"]' in page.locator("#diff").inner_text()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.keyboard.press("Tab")
    page.get_by_role("tab", name="Compare").focus()
    page.keyboard.press("Home")
    assert page.locator("#token").is_visible()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_what_is_copied_checks_the_token_as_the_page_does(debugger, service, tmp_path):
    page = debugger()
    token, key = service.sign_in().json()["access_token"], ES
    tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(name, token):
        text = page.locator(f"#copy-{name}").text_content()
        assert token not in text
        command = [sys.executable, "-c", text] if name == "python" else ["sh", "-c", text]
        env = {**tools, "TOKEN": token}
        done = processes.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    page.locator("#token").fill(token)
    page.locator(".stamp.accepted").wait_for()
    page.get_by_text("Check it elsewhere").click()
    assert "$TOKEN" in page.locator("#copy-curl").text_content()
    for name in ("python", "carnet"):
        assert "orders" in run(name, token)
    token = said(key, exp=4_000_000_000, iat=...)
    (tmp_path / "key.json").write_text(json.dumps(key.public.to_jwk()))
    page.locator("#token").fill(token)
    page.locator("#key").fill(json.dumps(key.public.to_jwk()))
    page.locator(".stamp.accepted").wait_for()
    for name in ("python", "carnet"):
        assert "1dfee8d8" in run(name, token)
    # A terminal would take this for Ctrl-C, and what follows for a command.
    page.locator("#token").fill(said(iss="https://a\x03\x9b'; touch stolen '"))
    page.locator("#copy-carnet").get_by_text("a??").wait_for()
    page.locator("#copy-python").get_by_text("a??").wait_for()
    processes.run(
        ["sh", "-c", page.locator("#copy-carnet").text_content()],
        env={**tools, "TOKEN": token},
        cwd=tmp_path,
    )
    assert not (tmp_path / "stolen").exists()


def test_the_saved_page_works_without_a_network(service, browser, tmp_path):
    saved = service.client.get("/debugger/offline")
    assert saved.headers["content-disposition"].startswith("attachment")
    (tmp_path / "debugger.html").write_bytes(saved.content)
    context = browser.new_context(offline=True)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "debugger.html").as_uri())
    page.get_by_role("button", name="Load example").click()
    page.locator(".stamp.accepted").wait_for()
    assert complaints == []
    assert page.evaluate("fetch('http://127.0.0.1:1/').catch(() => 'refused')") == "refused"
    assert "Content Security Policy" in complaints[0]
    context.close()


def test_the_tokens_of_the_explanation_are_alive(visit, service):
    page = visit(viewport={"width": 360, "height": 780})
    page.goto("/debugger")
    page.get_by_role("link", name="JSON Web Tokens explained").click()
    parts = page.locator("[data-live=parts]")
    parts.get_by_text("Accepted").wait_for()
    payload = parts.get_by_role("textbox")
    payload.fill(payload.input_value().replace("reader", "admin"))
    parts.get_by_text("Refused: the signature").wait_for()
    parts.get_by_role("button", name="Sign again").click()
    parts.get_by_text("Accepted").wait_for()
    services = page.locator("[data-live=audience]")
    services.get_by_role("combobox").select_option("billing")
    services.locator("li", has_text="billing").get_by_text("Accepted").wait_for()
    assert services.get_by_text("Refused: the token is for another audience").count() == 2
    stream = page.locator("[data-live=revocation]")
    assert stream.locator("li").get_by_text("Accepted").count() == 3
    stream.get_by_role("button", name="End the session").click()
    stream.locator("li").last.get_by_text("its session has ended").wait_for()
    assert stream.get_by_text("its session has ended").count() == 3
    own = page.locator("[data-live=stream]")
    own.get_by_role("button", name="Listen to this server").click()
    own.get_by_text("snapshot: nothing new").wait_for()
    service.sign_out(service.sign_in_to_api().json()["access_token"])
    own.get_by_text("increment: [").wait_for()
    own.get_by_role("button", name="Stop listening").click()
    own.get_by_text("Not listening any more").wait_for()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("main").get_by_role("link", name="debugger", exact=True).click()
    page.wait_for_url("**/debugger")


def test_without_javascript_the_page_says_why_it_needs_it(visit):
    page = visit(java_script_enabled=False)
    page.goto("/debugger")
    assert "carnet inspect" in page.locator("noscript").inner_text()
    for part in ("#token", "#payload", "#issuer"):
        assert page.locator(part).count() == 1
    assert not page.get_by_role("tablist").is_visible()
    page.get_by_role("link", name="JSON Web Tokens explained").click()
    page.get_by_role("heading", name="A token is a passport").wait_for()
