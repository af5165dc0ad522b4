"""The units of deploy/systemd: checked by systemd's own tools, and what they start is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests import processes
from tests.deploy import image as images

from carnet.server.running.workers import STOP_SECONDS
from carnet.server.settings import Settings

DEFAULTS = Settings()
ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
EXAMPLES = ROOT / "examples" / "microservices" / "systemd"
USER = "10001:10001"
MASTER_KEY = "A" * 42 + "E\n"
# As MemoryDenyWriteExecute= does: PR_SET_MDWE (prctl(2)), where the kernel has it.
NO_NEW_CODE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture(scope="module")
def analyze():
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze (apt-get install systemd): NO UNIT WAS CHECKED")

    def run(*arguments):
        command = [program, "--no-pager", *map(str, arguments)]
        return processes.run(command, capture_output=True, text=True)

    return run


def read_unit(path):
    """Read a unit: each key's values, in their order."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if re.match(r"\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


SERVICE = read_unit(UNITS / "carnet.service")
BACKUP = read_unit(UNITS / "carnet-backup.service")


def install(units, folder):
    """Put units where systemd would find them, their programs being ones that are here."""
    for path in units.iterdir():
        if path.suffix not in (".service", ".timer", ".conf"):
            continue
        place = folder / path.name
        if path.suffix == ".conf":
            place = folder / "carnet.service.d" / path.name
            place.parent.mkdir()
        text = re.sub(r"/opt/carnet/bin/\w+", shutil.which("true"), path.read_text("utf-8"))
        place.write_text(text)
    return sorted(path for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("units", [UNITS, EXAMPLES], ids=["deploy", "examples"])
def test_systemd_finds_nothing_wrong(analyze, units, tmp_path):
    run = analyze("verify", "--man=no", *install(units, tmp_path))
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_a_misspelt_key_is_found_in_units_and_drop_ins(analyze, tmp_path):
    files = install(UNITS, tmp_path)
    for path in (tmp_path / "carnet.service", tmp_path / "carnet.service.d" / "postgresql.conf"):
        path.write_text(path.read_text().replace("LoadCredential=", "LoadCredentials="))
    told = analyze("verify", "--man=no", *files).stderr
    assert len(re.findall("Unknown key.*LoadCredentials", told)) == 2


# Of 10.0; what is left of it is reaching the network.
@pytest.mark.parametrize(("unit", "exposure"), [("carnet", 15), ("carnet-backup", 10)])
def test_a_service_is_exposed_little(analyze, unit, exposure):
    path = UNITS / f"{unit}.service"
    run = analyze("security", "--offline=true", f"--threshold={exposure}", path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_stopping_waits_until_what_is_in_flight_is_finished():
    assert (
        int(SERVICE["TimeoutStopSec"][0]) > DEFAULTS.stop_delay + DEFAULTS.stop_grace + STOP_SECONDS
    )


def test_the_timer_is_the_backup_s_and_its_time_is_one(analyze):
    timer = read_unit(UNITS / "carnet-backup.timer")
    assert analyze("calendar", *timer["OnCalendar"]).returncode == 0
    assert (UNITS / "carnet-backup.service").is_file()


def words_of(line):
    """Give the words of a command as systemd does, with its specifiers filled in."""
    specifiers = {"S": "/var/lib", "d": "/run/credentials", "%": "%"}
    filled = re.sub("%(.)", lambda match: specifiers[match[1]], line).replace("$$", "$")
    return shlex.split(filled)


@pytest.fixture
def mounts(folder):
    """Make the folders that systemd gives the units."""
    places = {}
    for name in ("carnet", "carnet-backup", "credentials", "settings", "trace"):
        (folder / name).mkdir(mode=0o700)
        shutil.chown(folder / name, *map(int, USER.split(":")))
        places[name] = folder / name
    shutil.copy(UNITS / "carnet.toml", places["settings"])
    key = places["credentials"] / "master.key"
    key.write_text(MASTER_KEY)
    # Credentials belong to root, and the service is let in.
    os.chown(key, 0, 10001)
    key.chmod(0o440)
    return [
        images.Mount(places["carnet"], "/var/lib/carnet"),
        images.Mount(places["carnet-backup"], "/var/lib/carnet-backup"),
        images.Mount(places["credentials"], "/run/credentials", read_only=True),
        images.Mount(places["settings"], "/etc/carnet", read_only=True),
        images.Mount(places["trace"], "/trace"),
    ]


@pytest.fixture
def host(image):
    """A machine with Carnet in /opt/carnet and a user of its own, as the how-to sets it up."""
    [data] = SERVICE["Environment"]
    variables = dict([words_of(data)[0].split("=", 1)])
    return replace(image, environment={"PATH": images.SEARCHED, **variables}, folder="/", user=USER)


@pytest.fixture
def run_unit(host, mounts):
    """Start a command of a unit, and have its calls of the kernel written down."""
    strace = shutil.which("strace")

    def start(line, trace):
        traced = [strace, "-D", "-f", "-qq", "-o", f"/trace/{trace}"] if strace else []
        command = [*traced, "/opt/carnet/bin/python", "-c", NO_NEW_CODE, *words_of(line)]
        return host.start(command, mounts=mounts, read_only=True, network="own")

    return start


def allowed_calls(analyze):
    """Give the calls that the units' SystemCallFilter= lets through."""
    groups, name = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            groups[name := line.strip()] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].append(line.strip())

    def members(group):
        for one in groups[group]:
            yield from members(one) if one.startswith("@") else (one,)

    allowed = set()
    for value in SERVICE["SystemCallFilter"]:
        chosen = {call for group in value.lstrip("~").split() for call in members(group)}
        allowed = allowed - chosen if value.startswith("~") else allowed | chosen
    return allowed | {*members("@default")}


@pytest.mark.slow
def test_what_the_units_start_serves_and_is_backed_up(host, run_unit, mounts, analyze):
    state, backups, traces = (mounts[place].source for place in (0, 1, -1))

    def run(line):
        status, output = host.run(words_of(line), mounts=mounts, read_only=True)
        assert status == 0, output

    [prepare] = SERVICE["ExecStartPre"]
    run(prepare)
    master_key = state / "master.key"
    assert master_key.read_text() == MASTER_KEY
    [start] = SERVICE["ExecStart"]
    process = run_unit(start, "serve")
    health = ["/opt/carnet/bin/python", *host.health[1:]]
    processes.wait_until(lambda: host.run_beside(process, health).returncode == 0)
    [back_up] = BACKUP["ExecStart"]
    backup = run_unit(back_up, "backup")
    output, _ = backup.communicate(timeout=processes.PATIENCE)
    assert backup.returncode == 0, output
    status, output = images.stop(process)
    assert status == 0, output

    master_key.write_text("another one")
    run(prepare)
    assert master_key.read_text() == "another one"

    [old] = backups.iterdir()
    newer, other = backups / "carnet-20991231T000000.db", backups / "notes"
    for path in (newer, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    [sweep] = BACKUP["ExecStartPost"]
    run(sweep)
    assert {*backups.iterdir()} == {newer, other}

    if not [*traces.iterdir()]:
        pytest.skip("there is no strace: THE UNITS' SYSTEM CALLS WERE NOT COMPARED")
    assert BACKUP["SystemCallFilter"] == SERVICE["SystemCallFilter"]
    called = {
        call
        for path in traces.iterdir()
        for call in re.findall(r"^\d+ +(\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert {"openat", "listen", "accept4"} <= called
    assert called <= allowed_calls(analyze)
