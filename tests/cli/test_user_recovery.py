"""``carnet user invite``, ``reset-link``, ``recover`` and ``email``, in this process."""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from carnet.cli.main import main
from carnet.server.audit import OPERATOR
from carnet.server.service import open_service
from carnet.server.settings import Settings


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command; give its exit status, what it prints, and what it says."""
    monkeypatch.setenv("CARNET_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CARNET_ISSUER", "https://auth.example.com")

    def run_one(*words):
        monkeypatch.setattr(sys, "argv", ["carnet", "user", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out.strip(), said.err.strip()

    return run_one


def test_an_administrator_hands_over_links(run, tmp_path):
    status, link, said = run("invite", "alice", "--role", "ADMIN")
    assert (status, said[:22]) == (0, "It is good once, until")
    assert link.startswith("https://auth.example.com/link/invite?secret=")
    status, printed, _ = run("reset-link", "alice", "--json")
    assert json.loads(printed)["link"].startswith("https://auth.example.com/link/reset?")
    _, recovering, _ = run("recover", "alice")

    async def use():
        settings = Settings(data=str(tmp_path / "data"), issuer="https://auth.example.com")
        async with open_service(settings) as service:
            parts = urlsplit(recovering)
            [secret] = parse_qs(parts.query)["secret"]
            purpose = parts.path.rpartition("/")[2]
            account = await service.recovery.set_password(
                purpose, secret, "paper-boat-harbour", OPERATOR
            )
            signed_in = await service.accounts.authenticate("alice", "paper-boat-harbour")
            await service.accounts.disable(account.id, OPERATOR)
            return purpose, signed_in.roles

    assert asyncio.run(use()) == ("recover", ("ADMIN",))
    status, _, said = run("reset-link", "alice")
    assert (status, "carnet user enable" in said) == (2, True)


def test_an_administrator_says_whose_an_address_is(run):
    run("invite", "alice")
    run("invite", "bob")
    assert run("email", "add", "alice", "Alice@example.com")[0] == 0
    assert run("email", "list", "alice")[1].startswith("Alice@example.com  since ")
    status, _, said = run("email", "add", "bob", "alice@example.com")
    assert (status, "another account has this address already" in said) == (2, True)
    assert run("email", "add", "bob", "alice")[0] == 2
    assert run("email", "remove", "alice", "ALICE@example.com")[0] == 0
    assert run("email", "remove", "alice", "alice@example.com")[0] == 2
    assert json.loads(run("email", "list", "alice", "--json")[1]) == []
