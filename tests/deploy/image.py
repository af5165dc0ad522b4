"""The steps of a Dockerfile, carried out where no daemon is.

Each stage has a folder for its root. This machine's programs and its Python are bound into it in
the place of the base image's and can't be written; all else is what the steps put there. A command
runs in namespaces of its own as their process 1, with the root, the user and the environment that
it has in the image, and without any capability unless it is root's.

An instruction that isn't known here fails: what is in the Dockerfile has been carried out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import string
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
from tests import processes

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("unshare", "nsenter", "mount", "chroot", "setpriv")
# How pip gets at a registry is this machine's matter.
PASSED = re.compile(r"PIP_\w+|SSL_CERT_\w+|(?i:https?_proxy|no_proxy)")
CACHE = "/root/.cache/pip"  # where root has it in the image, as in every image
LOOPBACK_UP = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
)


@dataclass
class Mount:
    """A folder of this machine, and where a command sees it."""

    source: Path
    target: str
    read_only: bool = False


@dataclass
class Stage:
    """A stage of the image, as its steps have left it."""

    root: Path
    base: list[Mount]
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SEARCHED})
    folder: str = "/"
    user: str = "0:0"
    labels: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def path(self, place: str) -> Path:
        """Give where a place of the image is on this machine."""
        return self.root / str(PurePosixPath("/", self.folder, place)).lstrip("/")

    def start(self, command, *, mounts=(), read_only=False, network="host", user="", env=None):
        """Start a command, its output in a pipe."""
        lines = ["set -e", f"mount --bind {self.root} {self.root}"]
        for mount in (*self.base, *mounts):
            target = self.path(mount.target)
            target.mkdir(parents=True, exist_ok=True)
            lines.append(f"mount --rbind {mount.source} {target}")
            if mount.read_only:
                lines.append(f"mount -o remount,bind,ro {target}")
        lines.append(f"mount -t proc proc {self.root}/proc")
        if network == "own":
            lines.append(shlex.join([sys.executable, "-I", "-c", LOOPBACK_UP]))
        if read_only:
            lines.append(f"mount -o remount,bind,ro {self.root}")
        lines.append(f"exec chroot {self.root} {shlex.join(self._as_user(command, user, env))}")
        spaces = ("--mount", "--pid", "--fork", "--kill-child", *(["--net"] * (network == "own")))
        return processes.start(
            ["unshare", *spaces, "sh", "-c", "\n".join(lines)],
            ending=signal.SIGKILL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command, **more):
        """Run a command to its end, and give its exit status and its output."""
        with self.start(command, **more) as process:
            output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def run_beside(self, process, command, user=""):
        """Run a command where another one runs, as its health is looked at."""
        spaces = ("--mount", "--pid", "--net", "--root")
        return processes.run(
            ["nsenter", "--target", first_of(process), *spaces, *self._as_user(command, user)],
            capture_output=True,
            text=True,
        )

    def _as_user(self, command, user="", env=None):
        uid, _, gid = (user or self.user).partition(":")
        drop = () if uid == "0" else ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
        variables = {**self.environment, **(env or {})}
        return [
            # With another user the wish to end with the parent is gone: it is made again.
            *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *drop),
            *("--pdeathsig", "KILL"),
            *("env", "--ignore-environment", f"--chdir={self.folder}"),
            *(f"{name}={value}" for name, value in variables.items()),
            *command,
        ]


def first_of(process) -> str:
    """Give the id of the process that is the first of the namespaces that a process made."""
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip()


def stop(process) -> tuple[int, str]:
    """End it as `docker stop` and Kubernetes do; give its exit status and its output."""
    os.kill(int(first_of(process)), signal.SIGTERM)
    output, _ = process.communicate(timeout=processes.PATIENCE)
    return process.returncode, output


def check_machine() -> None:
    """Skip where this can't be done."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    probe = ["unshare", "--mount", "--pid", "--fork", "--net", "true"]
    if os.geteuid() != 0 or missing or processes.run(probe, capture_output=True).returncode:
        pytest.skip("only root can make namespaces and roots: THE IMAGE WAS NOT BUILT")


def instructions(text: str) -> list[tuple[str, str]]:
    """Read a Dockerfile: each instruction's word, and what stands behind it."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    logical = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = [line.split(None, 1) for line in logical.splitlines() if line.strip()]
    return [(word, rest) for word, rest in words]


def build(dockerfile: Path, context: Path, folder: Path) -> Stage:
    """Carry out a Dockerfile, and give its last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for word, rest in instructions(dockerfile.read_text("utf-8")):
        if word == "FROM":
            name = rest.partition(" AS ")[2]
            stages[name] = stage = _new_stage(folder, name or "last")
        elif word == "COPY":
            _copy(stage, shlex.split(rest), stages, context)
        else:
            STEPS[word](stage, rest)
    return stage


def _new_stage(folder: Path, name: str) -> Stage:
    """Make a root in which there is a Python with pip, and nothing else that can be written."""
    root, local = folder / name, folder / "local"
    root.mkdir(parents=True)
    root.chmod(0o755)
    for place in ("dev", "proc", "root", "var"):
        (root / place).mkdir(mode=0o755)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    base = [Mount(Path("/dev"), "/dev"), Mount(Path("/usr"), "/usr", True)]
    for place in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        if Path("/", place).is_symlink():
            (root / place).symlink_to(Path("/", place).readlink())
        elif Path("/", place).is_dir():
            base.append(Mount(Path("/", place), f"/{place}", True))
    processes.run(["cp", "--archive", "/etc", root / "etc"], check=True)
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        base.append(Mount(Path(sys.base_prefix), sys.base_prefix, True))
    stage = Stage(root, base)
    if sys.base_prefix != "/usr/local":
        made = local.is_dir()
        local.mkdir(exist_ok=True)
        base.append(Mount(local, "/usr/local"))
        if not made:
            status, output = stage.run([sys._base_executable, "-m", "venv", "/usr/local"])
            if status:
                pytest.skip(f"this Python makes no environments: NO IMAGE WAS BUILT: {output}")
        base[-1] = Mount(local, "/usr/local", True)
    return stage


def _run(stage: Stage, rest: str) -> None:
    cache = Path.home() / ".cache" / "pip"
    cache.mkdir(parents=True, exist_ok=True)
    passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    status, output = stage.run(
        ["/bin/sh", "-c", rest],
        mounts=[Mount(cache, CACHE)],
        env={"HOME": "/root", **passed, "PIP_CACHE_DIR": CACHE},
    )
    if re.search("NameResolutionError|NewConnectionError|ConnectTimeout|ProxyError", output):
        pytest.skip(f"the packages can't be downloaded here: NO IMAGE WAS BUILT: {output}")
    assert status == 0, f"RUN {rest}\n{output}"


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage], context: Path) -> None:
    *sources, target = words
    place = stage.path(target)
    if sources[0].startswith("--from="):
        source = stages[sources.pop(0).removeprefix("--from=")]
        found = [source.path(name) for name in sources]
        left_out = None
    else:
        found = [context / name for name in sources]
        left_out = _left_out(context)
    for path in found:
        assert path.exists(), f"COPY: {path} is not there"
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, ignore=left_out, dirs_exist_ok=True)
        else:
            assert left_out is None or not left_out(str(path.parent), [path.name]), path
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def _left_out(context: Path):
    """Read .dockerignore: the last pattern that matches a path, or a folder of it, decides."""
    lines = (context / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    def ignored(folder: str, names: list[str]) -> list[str]:
        found = []
        for name in names:
            path, out = PurePosixPath(folder, name).relative_to(context), False
            for pattern in patterns:
                bare = pattern.removeprefix("!")
                if any(_matches(one, bare) for one in (path, *path.parents)):
                    out = bare == pattern
            if out:
                found.append(name)
        return found

    return ignored


def _matches(path: PurePosixPath, pattern: str) -> bool:
    anywhere = pattern.removeprefix("**/")
    depth = len(PurePosixPath(pattern).parts)
    return path.match(anywhere) and (anywhere != pattern or len(path.parts) == depth)


def _expose(stage: Stage, rest: str) -> None:
    stage.ports += [int(port) for port in rest.split()]


def _set(name: str, read):
    def step(stage: Stage, rest: str) -> None:
        setattr(stage, name, read(rest))

    return step


def _variables(stage: Stage, rest: str) -> None:
    given = string.Template(rest).safe_substitute(stage.environment)
    stage.environment |= dict(word.split("=", 1) for word in shlex.split(given))


def _work_in(stage: Stage, rest: str) -> None:
    stage.folder = rest
    stage.path(".").mkdir(parents=True, exist_ok=True)


STEPS = {
    "RUN": _run,
    "ENV": _variables,
    "WORKDIR": _work_in,
    "USER": _set("user", str),
    "EXPOSE": _expose,
    "LABEL": _set("labels", lambda rest: dict(word.split("=", 1) for word in shlex.split(rest))),
    "VOLUME": _set("volumes", json.loads),
    # In the form of a list: no shell stands between.
    "HEALTHCHECK": _set("health", lambda rest: json.loads(rest.partition("CMD ")[2])),
    "ENTRYPOINT": _set("entrypoint", json.loads),
    "CMD": _set("command", json.loads),
}
