"""``carnet user rename`` and ``merge``, in this process."""

import json

import pytest
from tests.cli import test_user_recovery

run = test_user_recovery.run


@pytest.fixture
def people(run):
    for name in ("old", "alice"):
        assert run("invite", name)[0] == 0
    assert run("link", "old", "https://idp.example", "U1")[0] == 0
    return run


def test_an_account_is_renamed(people):
    assert people("rename", "old", "carol")[:2] == (0, "old is carol from now on")
    status, _, said = people("rename", "carol", "ALICE")
    assert (status, "there is an account named alice already" in said) == (2, True)


def test_accounts_are_merged_when_somebody_has_said_so(people):
    status, told, _ = people("merge", "old", "alice", "--dry-run")
    assert status == 0
    assert "U1 at https://idp.example" in told
    status, _, said = people("merge", "old", "alice")
    assert (status, "say --yes" in said) == (2, True)
    status, printed, said = people("merge", "old", "alice", "--yes", "--json")
    assert (status, said) == (0, "old is merged into alice")
    assert json.loads(printed)["identities"] == [["https://idp.example", "U1"]]
    [left] = json.loads(people("list", "--json")[1])
    assert (left["username"], left["identities"][0]["subject"]) == ("alice", "U1")
    assert people("merge", "old", "alice", "--yes")[0] == 2
