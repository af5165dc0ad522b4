"""Other ways to rotate refresh tokens break what Carnet holds, in the same world."""

import pytest
from simulation import peers
from simulation.facts import NOT_SIGNED_OUT, ONE_SUCCESSOR, REUSE_ENDS, THIEF_GONE

SEEDS = 60
BROKEN = {
    "Carnet": set(),
    "no grace": {NOT_SIGNED_OUT},
    "a grace that forks": {ONE_SUCCESSOR, THIEF_GONE},
    "detection by deletion": {NOT_SIGNED_OUT, REUSE_ENDS, THIEF_GONE},
    "no rotation": {THIEF_GONE},
}


@pytest.fixture(scope="module")
def ground():
    made = peers.make_ground()
    with made.governed():
        yield made


@pytest.mark.parametrize("peer", peers.PEERS)
def test_each_way_to_rotate_breaks_its_own_promises(ground, peer):
    broken, first = peers.count(ground, peer, SEEDS)
    assert first.keys() == BROKEN[peer]
    assert all(broken[promise] for promise in BROKEN[peer])


def test_the_shortest_history_is_told_by_what_people_do(ground):
    _, first = peers.count(ground, "no grace", SEEDS)
    told = peers.shortest(ground, "no grace", NOT_SIGNED_OUT, first[NOT_SIGNED_OUT])
    assert told[0] == "Alice's device 1 signs in."
    assert told[-1].startswith(f"BROKEN: {NOT_SIGNED_OUT}")
    assert not any("SESSION_BY_SECRET" in line for line in told)


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5"])
def test_a_number_of_seeds_that_is_none_gets_one_line(text, capsys):
    assert peers.main([text]) == 2
    assert capsys.readouterr().err.count("\n") == 1
