"""No test, example or benchmark starts a process in a way that could leave it behind."""

import ast
import subprocess
import sys

import pytest
from tests import processes

# The functions that start a process, and what may start one in the tests.
STARTING = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output", "getoutput"},
    "os": {"system", "popen", "posix_spawn", "posix_spawnp", "spawnv", "spawnl", "spawnve"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "multiprocessing": {"Process", "Pool"},
}
# These run to their end by themselves: only what stays has to be ended.
SHORT = {"run", "check_output"}


def calls_that_start(path, allowed):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(ast.Name(module), name)):
                names = [name]
            case ast.ImportFrom(module=module):
                names = [alias.name for alias in node.names]
            case _:
                continue
        for name in names:
            if name in STARTING.get(module, ()) and name not in allowed:
                yield f"{path}:{node.lineno}: {module}.{name}"


@pytest.mark.parametrize(
    ("place", "but", "allowed"),
    [
        ("tests", "processes.py", set()),
        ("src", "child_processes.py", SHORT),
        ("examples", "", SHORT),
        ("benchmarks", "", SHORT),
        ("fuzz", "", set()),
        ("simulation", "", SHORT),
    ],
)
def test_all_processes_are_started_in_the_one_way(root, place, but, allowed):
    paths = [
        path
        for path in (root / place).rglob("*.py")
        if path.name != but and "node_modules" not in path.parts
    ]
    assert paths
    found = [call for path in paths for call in calls_that_start(path, allowed)]
    assert not found, f"use tests.processes, or carnet.child_processes: {found}"


def test_the_scan_sees_what_it_looks_for(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        "import os, subprocess\nfrom subprocess import Popen\n"
        "def f():\n    subprocess.Popen(['x'])\n    subprocess.run(['x'])\n    os.system('x')\n"
    )
    names = [call.rpartition(" ")[2] for call in calls_that_start(path, {"run"})]
    assert names == ["subprocess.Popen", "subprocess.Popen", "os.system"]


TEST = """
import time

def test_everything_at_once(postgres, start, add_user, node, browser):
    add_user()
    start("--workers", "2")
    print("all up", flush=True)
    time.sleep(600)
"""
PLUGINS = ("tests.conftest", "tests.server.conftest")


def test_killed_tests_leave_no_process_behind(root, tmp_path, node, browser):
    path = tmp_path / "test_inner.py"
    path.write_text(TEST)
    plugins = [flag for name in PLUGINS for flag in ("-p", name)]
    flags = ("-q", "-s", "-c", str(root / "pyproject.toml"), "-p", "no:cacheprovider")
    process = processes.start(
        [sys.executable, "-m", "pytest", *flags, *plugins, "--rootdir", str(root), str(path)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if "all up" in line:
            break
    started = processes.descendants(process.pid)
    # PostgreSQL and its own, the server and its workers, Playwright's driver and the browser's.
    assert len(started) > 10, "".join(said)
    process.kill()
    process.wait()
    processes.wait_until(lambda: all(map(processes.has_ended, started)))
    process.stdout.close()
