"""Some hundred histories of the service, and faults that the simulation has to find."""

import json
import re
import signal

import pytest
from simulation import histories, jobs, run
from simulation.choices import Choices
from simulation.facts import INVARIANTS, NEVER
from simulation.histories import ENGINES, History, read_history
from simulation.mutants import MUTANTS, applied
from simulation.mutate import find
from simulation.subjects import about, drawn

from carnet.server.store import statements

SEEDS = 60
# Of each kind one that is found soon; `make mutate` goes through all of them.
QUICK = (
    "a generation rotates more than once",
    "an ended session rotates",
    "no grace: whose answer was lost is signed out",
    "a session that has ended ends again",
    "an end that no verifier hears of",
    "a session begins while its account is disabled",
    "disabling tells no verifier",
    "a consent to less is enough",
    "a device is decided about twice",
    "a link is over by the clock of whoever has voided it",
    "who leaves keeps sessions",
    "a key signs as soon as it is made",
    "a retired key stays published",
    "programs go on with what has ended",
    "the last provider of an account goes",
    "a merge leaves the account that goes",
    "another name is told to no verifier",
    "an assertion is used twice",
    "a verifier that requires news lets in without",
)


def by_name(name):
    [found] = [mutant for mutant in MUTANTS if mutant.name == name]
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_everything_holds_in_every_history(ground, engine):
    for seed in range(SEEDS):
        violation, _ = ground.history(engine, Choices(seed))
        assert violation is None, f"make simulate SEED={seed}"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_seed_is_one_history_and_its_draws_are_the_same_one(ground, engine):
    for seed in range(8):
        first, told, again = Choices(seed), [], []
        ground.history(engine, first, told)
        ground.history(engine, Choices(given=first.made), again)
        assert told == again
        assert told


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_that_was_killed_reaches_no_database_any_more(ground, engine):
    _, world = ground.history(engine, Choices(given=[]))
    process = world.add_process()
    process.is_alone = True
    assert process.statement("SELECT 1").done()
    world.kill(process)
    assert not process.statement("SELECT 1").done()


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_is_found(ground, name):
    assert find(ground, by_name(name), 40) is not None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_table_can_be_made_and_taken_back(ground, mutant):
    before = dict(vars(statements))
    with applied(mutant):
        pass
    assert dict(vars(statements)) == before


def test_a_mutant_may_be_looked_for_in_histories_about_one_subject():
    everything = list(drawn())
    for mutant in MUTANTS:
        with about(mutant.about):
            assert drawn()
            assert (drawn() == everything) is (mutant.about == "")
    assert drawn() == everything


def test_what_must_hold_is_told_in_a_sentence():
    for name in (*INVARIANTS, *NEVER):
        assert name == name.strip()
        assert name[0].islower()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seed", "x"],
        ["--seed", "-1"],
        ["--seeds", "1.5"],
        ["--minutes", "nan"],
        ["--jobs", "-1"],
        ["--jobs", "1000"],
        ["--about", "weather"],
    ],
)
def test_a_seed_that_is_none_gets_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"\xff",
        b"[]",
        b'{"engine": "oracle", "draws": []}',
        b'{"engine": "sqlite", "draws": [1.5]}',
        b'{"engine": "sqlite", "draws": [true]}',
        b'{"engine": "sqlite", "draws": [0], "about": "WEATHER"}',
        b'{"engine": "sqlite", "draws": [0], "about": ["THEFT"]}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_holds_no_history_gets_one_line(content, tmp_path, capsys):
    path = tmp_path / "history.json"
    if content is not None:
        path.write_bytes(content)
    assert run.main(["--history", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_history_in_a_file_is_told_again(tmp_path, capsys):
    path = tmp_path / "history.json"
    History("postgres", [0, 0, 3]).write(path)
    assert read_history(path) == History("postgres", [0, 0, 3])
    assert run.main(["--history", str(path)]) == 0
    assert "Everything holds." in capsys.readouterr().out


def test_several_processes_run_each_seed_once_and_their_totals_are_added_up(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    monkeypatch.setattr(jobs, "SEEDS", 3)
    assert run.main(["--seeds", "10", "--about", "sessions"]) == 0
    alone = capsys.readouterr().out
    (tmp_path / "next-seed-sessions").unlink()
    assert run.main(["--seeds", "10", "--about", "sessions", "--jobs", "2"]) == 0
    together = capsys.readouterr().out
    for line in alone.splitlines():
        if not re.search("a second|In all", line):
            assert line in together
    assert "Everything holds in seeds 0 to 9." in together
    assert "40 histories" in together
    first, second = json.loads((tmp_path / "totals.json").read_text())
    assert (first["histories"], first["next_seed"], first["about"]) == (20, 10, "SESSIONS")
    assert (first["steps"], first["commit"]) == (second["steps"], second["commit"])


def test_a_fault_is_found_by_several_processes_as_by_one(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    monkeypatch.setattr(jobs, "SEEDS", 2)
    monkeypatch.setattr(histories, "MOST_ATTEMPTS", 1)
    arguments = ["--seeds", "40", "--about", "sessions"]
    with applied(by_name("a generation rotates more than once")):
        assert run.main(arguments) == 1
        [path] = tmp_path.glob("seed-*.json")
        found = read_history(path)
        assert found.about == "SESSIONS"
        (tmp_path / "next-seed-sessions").unlink()
        path.unlink()
        assert run.main([*arguments, "--jobs", "2"]) == 1
        assert read_history(path) == found
        assert run.main(["--history", str(path)]) == 1


def test_ctrl_c_ends_what_several_processes_have_begun(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    monkeypatch.setattr(jobs, "SEEDS", 1)
    monkeypatch.setattr(run, "REPORT_SECONDS", 0.0)
    report = run._Run._report

    def stop(self):
        report(self)
        if not self._stopped:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run._Run, "_report", stop)
    assert run.main(["--seeds", "500", "--jobs", "2"]) == 0
    out = capsys.readouterr().out
    [stopped] = re.findall(r"Everything holds in seeds 0 to (\d+)\.", out)
    assert int(stopped) < 50
    assert json.loads((tmp_path / "next-seed").read_text()) == int(stopped) + 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_totals_that_cannot_be_read_are_kept_beside(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    (tmp_path / "totals.json").write_text('[{"histories": "many"}]')
    assert run.main(["--seeds", "1"]) == 0
    assert "they begin anew" in capsys.readouterr().out
    assert (tmp_path / "totals.unreadable").read_text() == '[{"histories": "many"}]'
    assert len(json.loads((tmp_path / "totals.json").read_text())) == 1


def test_after_ctrl_c_the_next_run_goes_on_from_there(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    seeds = []

    class Stopped(Choices):
        def __init__(self, seed=None, given=None):
            if seed == 3 and 3 not in seeds:
                seeds.append(seed)
                raise KeyboardInterrupt
            seeds.append(seed)
            super().__init__(seed, given)

    monkeypatch.setattr(jobs, "Choices", Stopped)
    assert run.main(["--seeds", "5"]) == 0
    out = capsys.readouterr().out
    assert "Everything holds in seeds 0 to 2." in out
    assert re.search(r"reached: \d+ of \d+\.", out)
    assert re.search(r"Refreshes: rotated \d", out)
    assert json.loads((tmp_path / "next-seed").read_text()) == 3
    assert run.main(["--seeds", "2"]) == 0
    assert "Everything holds in seeds 3 to 4." in capsys.readouterr().out


def test_a_seed_that_breaks_is_made_short_told_and_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "PLACE", tmp_path)
    monkeypatch.setattr(histories, "MOST_ATTEMPTS", 150)
    with applied(by_name("an ended session rotates")):
        assert run.main(["--seeds", "40"]) == 1
        out = capsys.readouterr().out
        assert "What must hold: an ended session stays ended" in out
        [path] = tmp_path.glob("seed-*.json")
        [test] = tmp_path.glob("test_seed_*.py")
        found = {}
        exec(compile(test.read_text(), str(test), "exec"), found)
        assert found["HISTORY"] == read_history(path)
        replayed = found["test_an_ended_session_stays_ended"]
        with pytest.raises(AssertionError):
            replayed()
        assert run.main(["--history", str(path)]) == 1
        told = capsys.readouterr().out
        assert told in out
    # Without the fault the same history holds.
    replayed()
    assert run.main(["--history", str(path)]) == 0
