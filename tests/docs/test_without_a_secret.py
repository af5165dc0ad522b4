"""docs/how-to/without-a-secret.md: what it types, and what its jobs do, is run as it says.

GitHub, the cluster's and SPIRE's command lines are small programs in their place, which answer in
the same form; whatever is an issuer there signs with a key of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from tests import processes
from tests.server import conftest, workloads
from tests.server.strangers import stranger
from tests.system.waiting import until

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier

start = conftest.start

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "without-a-secret.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
YAML = [yaml.safe_load(text) for language, text in BLOCKS if language == "yaml"]
[PYTHON] = [text for language, text in BLOCKS if language == "python"]
ISSUER, ORDERS = "https://auth.example.com", "https://orders.example.com"
TOKEN_FILE = "/var/run/secrets/carnet/token"

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq"))),
    reason="bash, curl or jq is missing: THE PAGE WAS NOT TRIED",
)


class Orders(BaseHTTPRequestHandler):
    verifier = None

    def do_GET(self):
        try:
            claims = self.verifier.verify(self.headers["Authorization"].removeprefix("Bearer "))
            status, body = 200, f"the orders, for {claims.subject}\n"
        except InvalidToken as error:
            status, body = 401, f"{error.code}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Reader:
    """Somebody who follows the page."""

    def __init__(self, service, orders, there, folder):
        self.service = service
        self.orders = orders
        self.there = there
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()

    def install(self, name, answers):
        """Put a program in the place of another: what it prints, by its last arguments."""
        cases = "".join(f"*'{end}') cat '{self.keep(text)}';;\n" for end, text in answers.items())
        path = self.programs / name
        path.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) exit 64;;\nesac\n')
        path.chmod(0o755)

    def keep(self, text):
        path = self.folder / f"file-{len(list(self.folder.iterdir()))}"
        path.write_text(text)
        return path

    def here(self, text):
        """Put this machine's addresses in the place of the page's."""
        text = re.sub(
            r'("issuer": "https://(?:token\.actions\.githubusercontent|gitlab)\.com",)',
            rf'\1 "jwks_uri": "{self.there.url}/keys",',
            text,
        )
        text = text.replace(TOKEN_FILE, str(self.folder / "token"))
        return text.replace(ISSUER, self.service.url).replace(ORDERS, self.orders)

    def run(self, text, **variables):
        path = os.pathsep.join([str(self.programs), str(Path(sys.executable).parent)])
        env = {
            **os.environ,
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
            "CARNET_DATA": str(self.service.data),
            "CURL_CA_BUNDLE": str(self.there.ca_file),
            **{name: self.here(value) for name, value in variables.items()},
        }
        return processes.run(
            ["bash", "-euo", "pipefail", "-c", self.here(text)],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=processes.PATIENCE,
        )

    def does(self, text, **variables):
        done = self.run(text, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def comes_to(self, text, told, **variables):
        """Run a job until the service knows what was changed at the command line just now."""
        last = []

        def works():
            last[:] = [self.run(text, **variables)]
            return last[0].returncode == 0

        until(works)
        assert last[0].stdout.endswith(told), last[0].stdout


@pytest.fixture
def reader(start, tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as there:
        service = start(env={"CARNET_PRIVATE_HOSTS": "localhost"})
        with AccessTokenVerifier(service.url, "orders") as verifier:
            handler = type("Verified", (Orders,), {"verifier": verifier})
            with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
                thread = threading.Thread(target=http.serve_forever, args=(0.02,))
                thread.start()
                orders = f"http://127.0.0.1:{http.server_port}"
                yield Reader(service, orders, there, tmp_path)
                http.shutdown()
                thread.join()


def clock():
    return time.time_ns() // 1000


def github_gives_tokens(reader, workload):
    """Let the stranger's server be the address that a job asks for its token."""
    publish = reader.there.page

    def answer(head):
        target = urlsplit(head.split()[1])
        if target.path != "/id-token":
            return publish(head)
        assert "Authorization: Bearer runner" in head
        [audience] = parse_qs(target.query)["audience"]
        body = json.dumps({"value": workload.token(clock, aud=audience)}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    reader.there.answer = answer


def test_the_page_from_its_beginning_to_its_end(reader):
    registering, showing, gitlab, cluster, grant, in_cluster, bundle, in_spiffe = SHELL
    of_github, of_gitlab, of_cluster = YAML
    told = "the orders, for nightly\n"

    # GitHub Actions.
    workload = workloads.github(reader.there)
    github_gives_tokens(reader, workload)
    reader.does(registering)
    assert "federated_jwt" in reader.does(showing)
    assert of_github["permissions"] == {"id-token": "write"}
    job = of_github["jobs"]["nightly"]
    variables = {
        **job["env"],
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{reader.there.url}/id-token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
    }
    [step] = job["steps"]
    reader.comes_to(step["run"], told, **variables)
    workload.claims = {**workload.claims, "sub": "repo:octo-org/orders:ref:refs/heads/other"}
    assert reader.run(step["run"], **variables).returncode != 0

    # GitLab.
    workload = workloads.gitlab(reader.there)
    workload.claims = {
        **workload.claims,
        "sub": "project_path:octo-group/orders:ref_type:branch:ref:main",
    }
    reader.does(gitlab)
    job = of_gitlab["nightly"]
    audience = reader.here(job["id_tokens"]["ASSERTION"]["aud"])
    variables = {**job["variables"], "ASSERTION": workload.token(clock, aud=audience)}
    [step] = job["script"]
    reader.comes_to(step, told, **variables)

    # Kubernetes.
    workload = workloads.kubernetes(reader.there)
    workload.claims = {**workload.claims, "sub": "system:serviceaccount:shop:nightly"}
    keys = json.dumps({"keys": [workload.key.public.to_jwk()]})
    answers = {
        "get --raw /.well-known/openid-configuration": json.dumps({"issuer": workload.issuer}),
        "get --raw /openid/v1/jwks": keys,
    }
    reader.install("kubectl", answers)
    reader.does(cluster)
    reader.does(grant)
    spec = of_cluster["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [mount], [volume] = spec["containers"][0]["volumeMounts"], spec["volumes"]
    [source] = volume["projected"]["sources"]
    projected = source["serviceAccountToken"]
    assert f"{mount['mountPath']}/{projected['path']}" == TOKEN_FILE
    file = reader.folder / "token"
    file.write_text(workload.token(clock, aud=[reader.here(projected["audience"])]))
    reader.comes_to(in_cluster, told)

    # SPIFFE.
    workload = workloads.spiffe(reader.there)
    published = {**workload.key.public.to_jwk(), "use": "jwt-svid"}
    del published["alg"]
    shown = {"keys": [published], "spiffe_sequence": 1, "spiffe_refresh_hint": 300}
    reader.install("spire-server", {"bundle show -format spiffe": json.dumps(shown)})
    reader.does(bundle)
    svid = {"spiffe_id": workloads.WORKLOAD, "svid": workload.token(clock, aud=[audience])}
    given = [{"svids": [svid]}, {"bundles": {}}]
    asked = f"api fetch jwt -audience {audience} -output json"
    reader.install("spire-agent", {asked: json.dumps(given)})
    reader.comes_to(in_spiffe, told)

    # Python.
    file.write_text(workload.token(clock, aud=[audience]) + "\n")
    made = {}
    exec(compile(PYTHON, PAGE.name, "exec"), made)
    assert made["orders_of"](reader.service.url, reader.orders, file) == told


def test_a_rule_that_leaves_open_which_branch_it_is_is_refused_at_the_command_line(reader):
    wide = SHELL[0].replace(
        '"sub": "repo:octo-org/orders:ref:refs/heads/main"', '"repository": "octo-org/orders"'
    )
    refused = reader.run(wide)
    assert refused.returncode == 2
    assert "--federated-credential" in refused.stderr
    assert "the rule is too broad for GitHub Actions" in refused.stderr
