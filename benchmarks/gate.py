"""What the gate costs behind nginx: ``python -m benchmarks.gate``.

nginx asks with ``auth_request`` before it answers with a small picture: wrk and nginx are on the
second core, who is asked is one process on the first. Asked are `carnet gate`, oauth2-proxy for its
bearer tokens, and the floor: a bare ASGI function under the gate's own HTTP server, which looks at
nothing and answers 204. njs checks the token within nginx. All are also asked directly, by wrk, in
the words of nginx.

Every request carries the same token, signed with ES256, and everybody checks signature, issuer,
audience and expiry; who takes a token in which one is wrong is not measured. The gate remembers a
token that it has checked; oauth2-proxy and njs check the signature again each time.

The processor's time is what counts: behind nginx the second core, with nginx and wrk, is full
before the first one is. ``a core`` says how many subrequests a full one would do by that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx
import uvloop

from benchmarks import record
from benchmarks.floor import serve_bare
from benchmarks.go_programs import PROGRAMS, built
from benchmarks.go_servers import free_ports, wait_for
from benchmarks.services import issuing
from benchmarks.token_servers import processor_seconds, run, served_at, told
from carnet import Key, Signer

CONNECTIONS = 32
CARNET, FLOOR, PROXY = "carnet gate", "floor", "oauth2-proxy"
VERIFY = "/verify"
NJS, NOBODY = "njs, within nginx", "nobody"
# The others take everything.
CHECKING = (CARNET, PROXY, NJS)
MODULE = "ngx_http_js_module.so"
MODULES = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules")
SCRIPT = Path(__file__).resolve().parent / "gate.njs"
# As docs/gate.md has it.
ASKED = """
upstream {name} {{ server {host}; keepalive 32; }}
"""
LOCATIONS = """
location = /{name} {{ auth_request /ask/{name}; empty_gif; }}
location = /ask/{name} {{
    internal;
    proxy_pass http://{name}{path};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Original-URI $request_uri;
}}
"""
LOCATIONS_OF_NJS = """
location = /njs { auth_request /ask/njs; empty_gif; }
location = /ask/njs { internal; js_content gate.check; }
"""
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
{module}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {folders}
    {imported}
    {upstreams}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location = /nobody {{ empty_gif; }}
        {locations}
    }}
}}
"""
DONE = """
function done(summary, latency)
  local errors = summary.errors
  print(string.format('RESULT {"answers": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass
class Place:
    """Who is asked, where, and whose time counts."""

    name: str
    url: str
    path: str
    gate: int | None
    nginx: int | None = None
    results: list[dict[str, float]] = field(default_factory=list)


async def serve_floor() -> None:
    """Answer everything with 204, until the process is ended."""

    async def app(_scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await serve_bare(app)


def start_gates(stack: ExitStack, folder: Path, issuer: str, key: Key) -> list[Place]:
    """Run all that can be asked, on the first core."""
    command = [sys.executable, "-m", "benchmarks.gate", "--serve-floor"]
    process = run(stack, command, stdout=subprocess.PIPE)
    gates = [Place(FLOOR, told(process, "the floor")["url"], "/", process.pid)]
    command = [sys.executable, "-m", "carnet", "gate", "--port", "0", "--issuer", issuer]
    log = folder / "gate.log"
    with log.open("wb") as stderr:
        process = run(stack, [*command, "--audience", "orders"], stderr=stderr)
    gates.append(Place(CARNET, served_at(log, process).removesuffix(VERIFY), VERIFY, process.pid))
    if program := built(PROXY):
        gates.append(start_proxy(stack, folder, program, issuer, key))
    return gates


def start_proxy(stack: ExitStack, folder: Path, program: Path, issuer: str, key: Key) -> Place:
    """Run oauth2-proxy, which has the key in a file."""
    (folder / "public.pem").write_bytes(key.public.to_pem())
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    options = {
        "http-address": f"127.0.0.1:{port}",
        "provider": "oidc",
        "client-id": "orders",
        "client-secret": secrets.token_urlsafe(),
        "cookie-secret": secrets.token_hex(16),
        "cookie-secure": "false",
        "email-domain": "*",
        "oidc-issuer-url": issuer,
        "skip-oidc-discovery": "true",
        "oidc-public-key-file": str(folder / "public.pem"),
        "oidc-enabled-signing-alg": "ES256",
        "oidc-email-claim": "sub",
        "login-url": f"{issuer}/authorize",
        "redeem-url": f"{issuer}/token",
        "redirect-url": f"{url}/oauth2/callback",
        "upstream": "static://202",
        "skip-jwt-bearer-tokens": "true",
        "set-xauthrequest": "true",
        **dict.fromkeys(("request-logging", "auth-logging", "standard-logging"), "false"),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    log = folder / "proxy.log"
    with log.open("wb") as said:
        process = run(stack, [str(program), *flags], stdout=said, stderr=said)
    wait_for(f"{url}/ping", process, log)
    return Place(PROXY, url, "/oauth2/auth", process.pid)


def start_nginx(
    stack: ExitStack, folder: Path, gates: list[Place], issuer: str, key: Key
) -> list[Place]:
    """Run an nginx on this core, with a path for each that can be asked."""
    [port] = free_ports(1)
    url, names = f"http://127.0.0.1:{port}", {one.name: one.name.replace(" ", "") for one in gates}
    upstreams = [ASKED.format(name=names[one.name], host=urlsplit(one.url).netloc) for one in gates]
    locations = [LOCATIONS.format(name=names[one.name], path=one.path) for one in gates]
    module = next((place for place in MODULES if Path(place, MODULE).exists()), None)
    values = {"module": "", "imported": ""}
    if module is None:
        print("left out: njs: apt-get install libnginx-mod-http-js", file=sys.stderr)
    else:
        script = SCRIPT.read_text().replace("@ISSUER@", issuer)
        pem = key.public.to_pem().decode().splitlines()
        (folder / "gate.js").write_text(script.replace("@KEY@", "".join(pem[1:-1])))
        values["module"] = f"load_module {module}/{MODULE};"
        values["imported"] = f"js_import gate from {folder}/gate.js;"
        locations.append(LOCATIONS_OF_NJS)
        names[NJS] = "njs"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    values |= {"upstreams": "".join(upstreams), "locations": "".join(locations)}
    file, log = folder / "nginx.conf", folder / "nginx.log"
    file.write_text(CONFIGURATION.format(folder=folder, folders=folders, port=port, **values))
    with log.open("wb") as said:
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]
        process = run(stack, command, cores="1", stdout=said, stderr=said)
    wait_for(f"{url}/{NOBODY}", process, log)
    pids = {one.name: one.gate for one in gates}
    return [
        Place(name, url, f"/{path}", pids.get(name), process.pid)
        for name, path in {NOBODY: NOBODY, **names}.items()
    ]


def check(place: Place, tokens: dict[str, str]) -> None:
    """See to it that a good token passes, and no other."""
    statuses = {}
    for what, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.get(place.url + place.path, headers=headers, trust_env=False)
        statuses[what] = answer.status_code
    good = statuses.pop("good") in (200, 202, 204)
    if not good or (place.name in CHECKING and not set(statuses.values()) <= {401, 403}):
        raise SystemExit(f"{place.name} at {place.url} does not check tokens: {good}, {statuses}")


def tokens_of(key: Key, issuer: str) -> dict[str, str]:
    """Sign a good token, and one for each thing that can be wrong."""

    def sign(key: Key = key, **more) -> str:
        options = {"issuer": issuer, "audience": "orders", "lifetime": 86_400, **more}
        claims = {"sub": "ada", "client_id": "web", "scope": "orders:read", "roles": ["ADMIN"]}
        return Signer(key, type="at+jwt", **options).sign(claims)

    other = Key.generate("ES256", kid=key.kid)
    return {
        "good": sign(),
        "none": "",
        "of another issuer": sign(issuer="https://other.example"),
        "for another audience": sign(audience="invoices"),
        "expired": sign(lifetime=60, clock=lambda: 1_700_000_000),
        "signed by another": sign(other),
    }


def load(place: Place, token: str, script: Path, seconds: int) -> dict[str, float]:
    """Load a place for some seconds, and give the figures."""
    processes = {"gate": place.gate, "nginx": place.nginx}
    before = {who: processor_seconds(pid) for who, pid in processes.items() if pid}
    lines = (f"Authorization: Bearer {token}", "X-Original-Method: GET", "X-Original-URI: /orders")
    headers = [part for line in lines for part in ("-H", line)]
    size = ("-t", "1", "-c", str(CONNECTIONS), "-d", str(seconds))
    done = subprocess.run(
        ["wrk", *size, "-s", str(script), *headers, place.url + place.path],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    result = json.loads(found[1]) if found else {"failed": 1}
    if result["failed"] or not result["answers"]:
        raise SystemExit(f"{place.name} at {place.url} failed: {done.stderr[:2000]}{done.stdout}")
    result["rate"] = result["answers"] / result["seconds"]
    for who, spent in before.items():
        result[who] = (processor_seconds(processes[who]) - spent) / result["answers"] * 1e6
    return result


def measure(folder: Path, given: argparse.Namespace) -> dict[str, Place]:
    """Run everything, and give the places with their results."""
    key, script = Key.generate("ES256"), folder / "done.lua"
    script.write_text(DONE)
    with issuing(key) as issuer, ExitStack() as stack:
        tokens = tokens_of(key, issuer)
        gates = start_gates(stack, folder, issuer, key)
        places = {f"{one.name}, directly": one for one in gates}
        for one in start_nginx(stack, folder, gates, issuer, key):
            places[f"{one.name}, behind nginx"] = one
        for place in places.values():
            check(place, tokens)
        order = list(places)
        shuffle = random.Random(7).shuffle
        for _ in range(given.rounds):
            shuffle(order)
            for name in order:
                result = load(places[name], tokens["good"], script, given.seconds)
                places[name].results.append(result)
                print(f"{name:32} {result['rate']:8,.0f}/s", file=sys.stderr)
    return places


def report(places: dict[str, Place]) -> str:
    """Write the figures as Markdown."""
    lines = [["asked", "requests/s", "p50 ms", "p99 ms", "processor µs", "of nginx", "a core"]]
    for name, place in places.items():
        best = max(place.results, key=lambda result: result["rate"])
        costs = {
            who: median(result[who] for result in place.results)
            for who in ("gate", "nginx")
            if who in best
        }
        cells = (f"{costs[who]:.1f}" if who in costs else "" for who in ("gate", "nginx"))
        core = f"{1e6 / costs['gate']:,.0f}" if "gate" in costs else ""
        times = (f"{best['p50']:.1f}", f"{best['p99']:.1f}")
        lines.append([name, f"{best['rate']:,.0f}", *times, *cells, core])
    return record.markdown(lines)


def series_of(places: dict[str, Place]) -> dict[str, record.Series]:
    """Give the rounds for the record."""
    found = {}
    for name, place in places.items():
        rates = [result["rate"] for result in place.results]
        found[f"{name}: answers"] = record.more_is_better("1/s", rates)
        for who in ("gate", "nginx"):
            if who in place.results[0]:
                costs = [result[who] for result in place.results]
                found[f"{name}: processor of {who}"] = record.less_is_better("µs", costs)
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="of every load, in every round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best one counts")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    parser.add_argument("--serve-floor", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_floor:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_floor())
        return
    for program in ("wrk", "nginx", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: apt-get install wrk nginx-light util-linux")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed")
    built(PROXY)
    # What is started from here shares the second core; the gates are told to use the first.
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder:
        places = measure(Path(folder), given)
    around = record.surroundings()
    version = PROGRAMS[PROXY].version
    print(
        f"{report(places)}\n\n{around['machine']}, Python {around['python']}, "
        f"oauth2-proxy {version}; {around['date'][:10]}."
    )
    record.write(
        given.json,
        "gate",
        {name: place.results for name, place in places.items()},
        series_of(places),
        {"gate": report(places)},
    )


if __name__ == "__main__":
    main()
