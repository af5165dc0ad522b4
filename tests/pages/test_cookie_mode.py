"""Cookie mode in a real browser: the example app under a real server, and a real issuer."""

import importlib.util
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn
from tests.proxy import issuer_behind_proxy, proxy  # noqa: F401 - fixtures
from tests.server.conftest import PASSWORD, add_user, start  # noqa: F401 - fixtures

ACCESS, REFRESH = "carnet-access", "carnet-refresh"
LOAD = "async (url) => { const a = await fetch(url); return [a.status, await a.json()]; }"


@pytest.fixture
def issuer(issuer_behind_proxy):  # noqa: F811
    return issuer_behind_proxy


@pytest.fixture
def example(root):
    spec = importlib.util.spec_from_file_location("app", root / "examples/cookie_mode/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run_app():
    """Run an app under a real server."""
    running = []

    def run(app, listener):
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread, listener))

    yield run
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(60)
        listener.close()


@pytest.fixture
def serve(example, issuer, run_app):
    """Serve the example app; gives its address."""

    def serve_one(**options):
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run_app(example.build(issuer.url, url, **options), listener)
        return url

    return serve_one


@pytest.fixture
def context(browser):
    one = browser.new_context()
    yield one
    one.close()


@pytest.fixture
def stranger():
    """A page of another origin; it answers every address with what it is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<!doctype html><link rel=icon href=data:,><title>Elsewhere</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield http.server_port
    http.shutdown()
    thread.join()
    http.server_close()


def sign_in(page, url):
    page.goto(url)
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", PASSWORD)
    page.click("#sign-in button")
    page.wait_for_selector("#signed-in:not([hidden])")


def cookies_of(context):
    return {cookie["name"]: cookie for cookie in context.cookies()}


def test_the_page_works_and_its_script_finds_no_token(serve, context):
    url = serve()
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    sign_in(page, url)
    page.click("#add")
    page.wait_for_selector("#outcome:has-text('order 1')")
    page.click("#steal")
    page.wait_for_selector("#outcome:has-text('script')")
    outcome = page.text_content("#outcome")
    assert "TOKEN" not in outcome
    assert outcome.endswith("No token can be read by script.")
    held = cookies_of(context)
    assert set(held) == {ACCESS, REFRESH}
    for cookie in held.values():
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert cookie["value"] not in page.evaluate("document.cookie")
    assert problems == []


def test_the_search_of_the_page_finds_a_token_that_is_there(serve, context):
    page = context.new_page()
    sign_in(page, serve())
    page.evaluate("token => localStorage.setItem('t', token)", cookies_of(context)[ACCESS]["value"])
    page.click("#steal")
    page.wait_for_selector("#outcome:has-text('found')")
    assert "TOKEN  localStorage" in page.text_content("#outcome")


def test_two_tabs_that_refresh_at_once_stay_signed_in_with_one_successor(serve, context, issuer):
    url = serve()
    first, second = context.new_page(), context.new_page()
    sign_in(first, url)
    second.goto(url)
    before = cookies_of(context)
    for _ in range(3):
        context.clear_cookies(name=ACCESS)
        for page in (first, second):
            page.evaluate("window.answers = Promise.all([1, 2, 3].map(() => fetch('/orders')))")
        for page in (first, second):
            assert page.evaluate("answers.then(all => all.map(a => a.status))") == [200] * 3
    after = cookies_of(context)
    assert after[REFRESH]["value"] != before[REFRESH]["value"]
    assert issuer.asked("POST /token") >= 3
    second.reload()
    second.wait_for_selector("#signed-in:not([hidden])")


def test_a_token_that_ends_soon_is_replaced_without_anybody_noticing(serve, context, issuer):
    page = context.new_page()
    sign_in(page, serve(expires_in=5))
    before = cookies_of(context)[ACCESS]["value"]
    while cookies_of(context)[ACCESS]["value"] == before:
        assert page.evaluate(LOAD, "/orders")[0] == 200


def test_signing_out_in_one_tab_signs_the_other_out(serve, context, issuer):
    url = serve()
    first, second = context.new_page(), context.new_page()
    sign_in(first, url)
    second.goto(url)
    held = cookies_of(context)
    first.click("#sign-out")
    first.wait_for_selector("#sign-in:not([hidden])")
    assert cookies_of(context) == {}
    assert second.evaluate(LOAD, "/orders")[0] == 401
    # The session is over at the issuer too: what was copied before continues nothing.
    context.add_cookies([{"name": REFRESH, "value": held[REFRESH]["value"], "url": url}])
    assert second.evaluate(LOAD, "/orders")[0] == 401
    assert cookies_of(context) == {}


def test_a_lost_answer_of_the_issuer_signs_nobody_out(serve, context, issuer):
    page = context.new_page()
    sign_in(page, serve())
    context.clear_cookies(name=ACCESS)
    issuer.lose = 1
    assert page.evaluate(LOAD, "/orders")[0] == 200
    # Both the answer and its repetition: the browser itself asks again, with the old cookie.
    context.clear_cookies(name=ACCESS)
    issuer.lose = 2
    assert page.evaluate(LOAD, "/orders")[0] == 503
    assert page.evaluate(LOAD, "/orders")[0] == 200


def test_an_issuer_that_is_down_keeps_the_session(serve, context, issuer):
    page = context.new_page()
    sign_in(page, serve())
    held = cookies_of(context)
    assert page.evaluate(LOAD, "/orders")[0] == 200
    issuer.down = True
    # With a good access token nobody asks it.
    assert page.evaluate(LOAD, "/orders")[0] == 200
    context.clear_cookies(name=ACCESS)
    answer = page.request.get(page.url + "orders")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert cookies_of(context)[REFRESH]["value"] == held[REFRESH]["value"]
    issuer.down = False
    assert page.evaluate(LOAD, "/orders")[0] == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["another site", "same site"])
def test_what_another_origin_sends_is_refused(serve, context, stranger, host):
    url = serve()
    page = context.new_page()
    sign_in(page, url)
    # The site's own origins' cookies go along with everything of theirs: only the judgement of
    # where a request comes from is between them.
    elsewhere = context.new_page()
    elsewhere.goto(f"http://{host}:{stranger}/")
    answers = []
    elsewhere.on(
        "response", lambda r: answers.append((r.request.method, r.request.resource_type, r.status))
    )
    elsewhere.evaluate(
        """async url => {
          const form = mode => ({method: 'POST', mode, credentials: 'include'});
          await fetch(url, form('no-cors')).catch(() => 0);
          await fetch(url, {...form('cors'), method: 'DELETE'}).catch(() => 0);
          await fetch(url, {mode: 'no-cors', credentials: 'include'}).catch(() => 0);
          await new Promise(done => {
            const image = document.createElement('img');
            image.onload = image.onerror = done;
            image.src = url;
            document.body.append(image);
          });
          await new Promise(done => {
            const frame = document.createElement('iframe');
            frame.onload = done;
            frame.src = url;
            document.body.append(frame);
          });
        }""",
        f"{url}/orders",
    )
    with elsewhere.expect_navigation():
        elsewhere.evaluate(
            """url => {
              const form = document.createElement('form');
              Object.assign(form, {method: 'POST', action: url});
              document.body.append(form);
              form.submit();
            }""",
            f"{url}/orders",
        )
    # With cookies it is 403; where SameSite has kept them away, nobody is signed in.
    assert {status for _, _, status in answers} <= {401, 403, 405}
    assert ("POST", "document", 403 if host == "127.0.0.1" else 401) in answers
    assert page.evaluate(LOAD, "/orders")[1]["orders"] == []


@pytest.mark.parametrize("secret", [False, True], ids=["public client", "with a secret"])
def test_sign_in_on_the_issuer_s_own_page(
    context,
    proxy,  # noqa: F811
    start,  # noqa: F811
    add_user,  # noqa: F811
    carnet,
    tmp_path,
    example,
    run_app,
    secret,
):
    add_user()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    flags = ["--redirect-uri", f"{url}/session/callback", "--resource", "orders", "--first-party"]
    done = carnet(
        *("client", "add", "Shop", "--json", "--auth", "basic" if secret else "none", *flags),
        data=tmp_path / "data",
        env={"CARNET_AUDIENCES": "orders"},
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    proxy.target = start("--issuer", proxy.url).url
    client = {"client_id": made["client_id"], "client_secret": made.get("client_secret")}
    run_app(example.build(proxy.url, url, **client), listener)

    page = context.new_page()
    page.goto(f"{url}/session/sign-in?return_to=/orders")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/orders")
    assert '"orders":' in page.content()
    held = cookies_of(context)
    assert {ACCESS, REFRESH} <= set(held)
    assert "carnet-flow" not in held
    context.clear_cookies(name=ACCESS)
    assert page.evaluate(LOAD, "/orders")[0] == 200
    assert proxy.asked("POST /token") == 2

    # An answer that this browser has not asked for signs nobody in, nor does a page elsewhere.
    page.goto(f"{url}/session/callback?code=stolen&state=guessed")
    assert "start again" in page.content()
    page.goto(f"{url}/session/sign-in?return_to=//evil.example")
    assert "return_to must be a path of this app" in page.content()
    page.goto(url)
    assert page.evaluate("() => fetch('/session', {method: 'POST'}).then(a => a.status)") == 405
    page.click("#sign-out")
    page.wait_for_selector("#who:has-text('Nobody')")
    assert page.evaluate(LOAD, "/orders")[0] == 401
    assert proxy.asked("POST /revocation") == 1


def test_another_origin_can_sign_nobody_in_or_out(serve, context, stranger):
    url = serve()
    page = context.new_page()
    sign_in(page, url)
    for host in ("localhost", "127.0.0.1"):
        elsewhere = context.new_page()
        elsewhere.goto(f"http://{host}:{stranger}/")
        with elsewhere.expect_navigation():
            elsewhere.evaluate(
                """url => {
                  const form = document.createElement('form');
                  Object.assign(form, {method: 'POST', action: url, enctype: 'text/plain'});
                  document.body.append(form);
                  form.submit();
                }""",
                f"{url}/session",
            )
        assert "cross_site" in elsewhere.content()
    assert page.evaluate(LOAD, "/session")[0] == 200


def test_a_link_from_another_site_finds_the_person_signed_in(serve, context, stranger):
    url = serve()
    sign_in(context.new_page(), url)
    elsewhere = context.new_page()
    elsewhere.goto(f"http://localhost:{stranger}/")
    with elsewhere.expect_navigation():
        elsewhere.evaluate("url => { location.href = url; }", f"{url}/orders")
    assert re.search(r'"orders":', elsewhere.content())
