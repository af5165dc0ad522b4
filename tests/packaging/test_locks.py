"""What is set up from the locks today is the same tomorrow, whatever is published meanwhile.

Where pip, or a build of its own, looks for anything beside a lock, a new release can break the
set-up: old pips even take an extra in a locked package's requirements for one without a hash.
"""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"requirements.lock": ("build",), "requirements-dev.lock": ("dev",)}


def requirements_of(lock):
    """Give a lock's requirements, each with its hashes."""
    logical = re.sub(r"\\\n\s*", "", lock.read_text("utf-8"))
    for line in logical.splitlines():
        if not line.lstrip().startswith("#"):
            text, *hashes = line.split("--hash=")
            yield Requirement(text.strip()), [one.strip() for one in hashes]


def applies(requirement, extras=()):
    marker = requirement.marker
    environment = default_environment()
    return marker is None or any(
        marker.evaluate({**environment, "extra": extra}) for extra in (*extras, "")
    )


def wanted(root, groups):
    """Give what the project asks for: the extra ``all``, and the groups of a lock."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    texts, waiting = list(project["project"]["dependencies"]), ["all", *groups]
    tables = {**extras, **project["dependency-groups"]}
    while waiting:
        for entry in tables[waiting.pop()]:
            if isinstance(entry, dict):
                waiting.append(entry["include-group"])
            elif entry.startswith("carnet["):
                waiting += entry.removeprefix("carnet[").rstrip("]").split(",")
            else:
                texts.append(entry)
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_of_a_lock_is_one_version_with_hashes_and_no_address(root, name):
    requirements = list(requirements_of(root / name))
    assert len(requirements) > 30
    for requirement, hashes in requirements:
        [pin] = requirement.specifier
        assert (pin.operator, "*" in pin.version) == ("==", False), requirement
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement
    # No option either, such as an index or a folder of links.
    lines = (root / name).read_text("utf-8").splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("-")]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_lacks_nothing_that_its_packages_require(root, name):
    locked = {
        canonicalize_name(requirement.name): requirement
        for requirement, _ in requirements_of(root / name)
        if applies(requirement)
    }
    waiting = [(name, one, ()) for one in wanted(root, LOCKS[name])]
    seen = set()
    while waiting:
        asking, requirement, extras = waiting.pop()
        if not applies(requirement, extras):
            continue
        key = canonicalize_name(requirement.name)
        assert key in locked, f"{asking} requires {requirement}, which is not in {name}"
        [pin] = locked[key].specifier
        assert requirement.specifier.contains(pin.version, prereleases=True), (asking, requirement)
        if (key, frozenset(requirement.extras)) in seen:
            continue
        seen.add((key, frozenset(requirement.extras)))
        package = distribution(key)
        assert package.version == pin.version, f"{key} is not as locked: run 'make .venv/dev'"
        more = [Requirement(text) for text in package.requires or ()]
        waiting += [(key, one, tuple(requirement.extras)) for one in more]
    assert {key for key, _ in seen} == set(locked), "the lock has what nothing requires"


def test_the_two_locks_agree(root):
    run, dev = (
        {str(requirement): hashes for requirement, hashes in requirements_of(root / name)}
        for name in LOCKS
    )
    assert run.items() <= dev.items()


def test_nothing_is_installed_beside_the_locks(root):
    text = (root / "Makefile").read_text("utf-8").replace("\\\n", " ")
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert [re.findall(r"-r (\S+)|-e (\.)", line) for line in installs] == [
        [("requirements.lock", "")],
        [("", ".")],
        [("requirements-ldap.lock", "")],
        # A part of the next one, which installs it; where it can't, pip does.
        [(".venv/uv.lock", "")],
        [("requirements-dev.lock", "")] * 2,
    ]
    assert "uv = /^uv==/ } uv' $< >.venv/uv.lock" in text
    for line in installs:
        assert line.count("--no-deps") == line.count("pip install")
        # What is built here is built with what is here: isolation fetches the newest.
        assert "--no-build-isolation" in line if "-e ." in line else "--require-hashes" in line
    # Each set-up ends with a look at the whole.
    for recipe in re.findall(r"^\.venv/(?:run|dev):.*\n((?:\t.*\n)+)", text, re.MULTILINE):
        assert re.search(r"pip install.*\n(?:\t@\[.*\|\| |\t@)\$\(WHOLE\)\n\t@touch", recipe)
    assert re.search(r"^WHOLE := \$\(BIN\)/pip check ", text, re.MULTILINE)
    builds = [line for line in text.splitlines() if "uv build" in line]
    assert builds
    assert all("--no-build-isolation" in line for line in builds)
    assert re.findall(r"node\.npm\(\['(\w+)'", text) == ["ci"]
    assert (root / ".ci" / "run").read_text("utf-8").splitlines()[-1] == "exec make test"


def test_the_packages_of_npm_are_locked_with_hashes_and_no_address(root):
    text = (root / "tests" / "node" / "package-lock.json").read_text("utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name
