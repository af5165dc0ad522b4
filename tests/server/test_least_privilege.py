"""`carnet migrate`, and servers whose role reads and writes rows only (docs/how-to)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests import processes
from tests.server.conftest import PASSWORD

from carnet.server.store.migrations import read_migrations

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "least-privilege.md"
NAMES = [one.name for one in read_migrations()]
SUPERUSER, OWNED, HANDED_OVER = re.findall(
    r"^```sql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
)


def statements(block, *, database, role):
    """Give the statements of a block, with names that no other test has."""
    text = re.sub(r"\bcarnet_(owner|server)\b", rf"{role}_\1", block)
    text = re.sub(r"DATABASE carnet\b", f"DATABASE {database}", text)
    return [part.strip() for part in text.split(";\n") if part.strip()]


@pytest.fixture
def roles(postgres):
    """A database as the page makes it: the URLs of its owner and of the servers' role."""
    if postgres.process is None:
        postgres.start()
    name = f"roles_{next(postgres.numbers)}"
    for statement in statements(SUPERUSER, database=name, role=name):
        postgres.run(statement)
    place = f"127.0.0.1:{postgres.port}/{name}"
    owner = f"postgresql://{name}_owner:another%20password@{place}"
    for statement in statements(OWNED, database=name, role=name):
        postgres.run(statement, url=owner)
    return owner, f"postgresql://{name}_server:a%20password@{place}"


@pytest.fixture
def migrate(carnet):
    """Run `carnet migrate` as a job would: told by variables alone."""

    def run(url, *flags):
        done = carnet("migrate", *flags, env={"CARNET_DATABASE": url})
        return done.returncode, done.stdout, done.stderr

    return run


def test_migrate_says_what_it_has_applied_and_then_that_there_is_nothing(migrate, postgres_url):
    assert migrate(postgres_url, "--check", "--json") == (1, f"{as_json(missing=NAMES)}\n", "")
    assert migrate(postgres_url) == (0, "".join(f"applied {name}\n" for name in NAMES), "")
    status, said, errors = migrate(postgres_url)
    assert (status, errors) == (0, "")
    assert said == "There is nothing to do: the database has the shape of this version.\n"
    assert migrate(postgres_url, "--check", "--json") == (0, f"{as_json(missing=[])}\n", "")
    assert migrate(postgres_url, "--json") == (0, f"{as_json(applied=[])}\n", "")


def as_json(**found):
    return json.dumps(found, separators=(",", ":"))


def test_migrate_makes_a_data_folder_that_a_server_then_takes(carnet, start, tmp_path):
    done = carnet("migrate", "--json", data=tmp_path / "data")
    assert json.loads(done.stdout) == {"applied": NAMES}, done.stderr
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"carnet.db", "master.key"}
    assert start("--no-migrate").client.get("/readyz").status_code == 200


def test_a_server_that_must_not_migrate_says_what_is_missing(carnet, postgres_url, tmp_path):
    done = carnet(
        *("serve", "--no-migrate", "--port", "0", "--database", postgres_url),
        data=tmp_path / "data",
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert all(name in done.stderr for name in NAMES)
    assert "run `carnet migrate`" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_servers_role_can_do_everything_but_change_the_shape(
    roles, migrate, carnet, start, tmp_path, postgres
):
    owner, server_url = roles
    status, _, said = migrate(server_url)
    assert (status, said.count("\n")) == (2, 1)
    assert "permission denied" in said
    assert migrate(owner, "--json") == (0, f"{as_json(applied=NAMES)}\n", "")
    # A server that would migrate finds nothing to do, and one that would not goes on too.
    data, as_server = tmp_path / "data", {"CARNET_DATABASE": server_url}
    assert migrate(server_url)[0] == 0
    check_commands(carnet, data, as_server)
    for more in ({}, {"CARNET_MIGRATE": "false"}):
        check_server(start("--workers", "2", env={**as_server, **more}))
    # What needs more is told in one line.
    assert (
        carnet("serve", "--data", str(data), "--port", "0", "--check", env=as_server).stderr == ""
    )
    sqlite = carnet("migrate", data=tmp_path / "other")
    assert sqlite.returncode == 0
    copied = carnet("migrate-store", "--from", str(tmp_path / "other"), "--to", server_url)
    assert (copied.returncode, copied.stderr.count("\n")) == (2, 1)
    assert "permission denied" in copied.stderr
    for statement in ("DROP TABLE session", "CREATE TABLE mine ()", "TRUNCATE audit"):
        with pytest.raises(Exception, match=r"must be owner|permission denied"):
            postgres.run(statement, url=server_url)


def check_commands(carnet, data, env):
    def run(*words, stdin=None):
        done = carnet(*words, data=data, env=env, stdin=stdin)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (words, done.stderr)
        return done.stdout

    run("user", "add", "alice", "--password-file", "-", stdin=PASSWORD)
    run("user", "roles", "alice", "ADMIN")
    run("user", "claims", "alice", '{"department": "press"}')
    run("user", "disable", "alice")
    run("user", "enable", "alice")
    run("user", "password", "alice", "--password-file", "-", stdin=PASSWORD)
    run("client", "add", "Shop", "--id", "shop")
    run("client", "new-secret", "shop")
    run("client", "show", "shop")
    run("client", "remove", "shop")
    run("resource", "add", "invoices")
    run("resource", "remove", "invoices")
    run("session", "end", "alice", "--all")
    run("keys", "rotate", "--now")
    [retired, _] = json.loads(run("keys", "list", "--json"))
    run("keys", "retire", retired["kid"], "--yes")
    run("keys", "change-master-key")
    for command in (("user", "list"), ("client", "list"), ("resource", "list"), ("audit",)):
        run(*command)
    run("session", "list", "alice")
    run("serve", "--check")


def check_server(server):
    token = server.sign_in().json()["refresh_token"]
    refreshed = server.refresh(token)
    assert refreshed.status_code == 200
    assert server.sign_out(refreshed.json()["access_token"]).status_code == 204
    assert server.stop() == 0
    assert "error" not in server.process.stderr.read()


def test_tables_of_a_server_that_owned_them_are_handed_over(postgres, carnet, start, tmp_path):
    name = f"handed_{next(postgres.numbers)}"
    before = f"CREATE ROLE {name}_before LOGIN PASSWORD 'old'"
    for statement in (*statements(SUPERUSER, database=name, role=name), before):
        postgres.run(statement)
    place = f"127.0.0.1:{postgres.port}/{name}"
    postgres.run("GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC", url=postgres.url(name))
    old = f"postgresql://{name}_before:old@{place}"
    assert carnet("migrate", env={"CARNET_DATABASE": old}).returncode == 0
    for statement in statements(HANDED_OVER, database=name, role=name):
        mine = statement.replace("OWNED BY carnet ", f"OWNED BY {name}_before ")
        postgres.run(mine, url=postgres.url(name))
    new = f"postgresql://{name}_server:a%20password@{place}"
    server = start(env={"CARNET_DATABASE": new, "CARNET_MIGRATE": "false"})
    processes.wait_until(lambda: server.client.get("/readyz").status_code == 200)
    owner = f"postgresql://{name}_owner:another%20password@{place}"
    assert "nothing to do" in carnet("migrate", env={"CARNET_DATABASE": owner}).stdout
