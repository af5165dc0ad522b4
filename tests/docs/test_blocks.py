"""Every fenced block and every relative link of the pages holds: it runs, parses, or is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import pytest
from tests import processes

from carnet.cli.commands import root as carnet_command
from carnet.server.clients.configuration_file import ConfigurationFile
from carnet.server.clients.federated_credentials import FederatedCredential, check_credential
from carnet.server.clients.registration_request import read_registration
from carnet.server.settings_sources import load_settings

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]

# Python that this test compiles and does not run: a page, or the n-th Python block of a page.
NOT_RUN_HERE = {
    "README.md:1": "tests/test_readme.py runs it",
    "README.md:2": "tests/test_readme.py runs it",
    "docs/browser-tokens.md": "tests/docs/test_browser_tokens.py runs it",
    "docs/coming-from.md": "tests/docs/test_coming_from.py runs it",
    "docs/tutorial.md": "tests/docs/test_tutorial.py goes through it",
    "docs/protect-a-service.md": "tests/docs/test_protect_a_service.py runs it",
    **{f"docs/testing.md:{n}": "tests/docs/test_testing.py runs it" for n in range(2, 11)},
    "docs/tokens-from.md": "tests/docs/test_tokens_from.py runs it",
    "docs/mcp.md": "tests/docs/test_mcp.py goes through it",
    "docs/how-to/sign-in-from-a-terminal.md": "tests/docs/test_sign_in_from_a_terminal.py runs it",
    "docs/how-to/one-sign-in.md": "tests/docs/test_one_sign_in.py runs it",
    "docs/how-to/without-a-secret.md": "tests/docs/test_without_a_secret.py runs it",
    "docs/how-to/hsm.md": "it needs an HSM: tests/hsm signs so with SoftHSM",
    "docs/clients.md:1": "it is one call in a service: tests/verifier has requests with proofs",
}

# What a block takes from its reader, as its page says.
GIVEN = {
    "docs/clients.md:2": """
from carnet import Key
from carnet.verifier import AccessTokenVerifier
private_jwk = Key.generate("ECDH-ES+A256KW").to_jwk(private=True)
""",
}

# Blocks that nothing here reads, and who does.
OTHERS = {
    "": "people: drawings",
    "js": "a browser",
    "ini": "Grafana, and tests/docs/test_testing.py",
    "nginx": "nginx",
    "sql": "PostgreSQL, and tests/server/test_least_privilege.py",
    "caddy": "Caddy",
    "yaml": "Traefik, Envoy, Prometheus, and tests/docs/test_without_a_secret.py",
    "{eval-rst}": "Sphinx, which tests/docs/test_site.py runs",
    "{toctree}": "Sphinx, which tests/docs/test_site.py runs",
}
SHELL = ("sh", "console")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}, line {self.line}"


FENCED = re.compile(r"^ *```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _blocks() -> list[Block]:
    found = []
    for path in PAGES:
        page = path.read_text("utf-8")
        for match in re.finditer(
            r"^ *```(\S*)[^\n]*\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL
        ):
            line = page.count("\n", 0, match.start()) + 1
            found.append(Block(path.relative_to(ROOT).as_posix(), line, match[1], match[2]))
    return found


BLOCKS = _blocks()


def _python() -> dict[str, Block]:
    numbered, counts = {}, dict.fromkeys((block.page for block in BLOCKS), 0)
    for block in BLOCKS:
        if block.language == "python":
            counts[block.page] += 1
            numbered[f"{block.page}:{counts[block.page]}"] = block
    return numbered


PYTHON = _python()


def _is_run(name: str) -> bool:
    return name not in NOT_RUN_HERE and PYTHON[name].page not in NOT_RUN_HERE


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    return [*lexer, ";"]


def _commands(block: Block) -> list[list[str]]:
    """Split a block of shell into the words of each of its commands."""
    found, begun = [], ""
    for line in block.text.splitlines(keepends=True):
        if block.language == "console" and not begun and not line.startswith("$ "):
            continue  # what a command answered
        begun = begun.removesuffix("\\\n") + (line if begun else line.removeprefix("$ "))
        if begun.endswith("\\\n"):
            continue
        try:
            words = _words(begun)
        except ValueError:  # a quotation goes on
            continue
        begun, command = "", []
        for word in words:
            if set(word) <= set("|&;<>()"):
                found.append(command)
                command = []
            else:
                command.append(word)
    assert not begun, f"{block.place}: it does not end: {begun}"
    return [command for command in found if command]


def check_carnet(words: list[str], *, whole: bool) -> None:
    """Fail where `carnet` has no such command, option or choice, or wants more than is given."""
    command: click.Command = carnet_command
    context = click.Context(command, info_name="carnet")
    words = words[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, context = found, click.Context(found, parent=context, info_name=words[0])
        words = words[1:]
    if isinstance(command, click.Group):
        assert not whole or words, "a command of this group is missing"
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, f"{rest[0]!r} is one argument too many"
    for parameter in command.get_params(context):
        value = given.get(parameter.name)
        missing = value is None or value == ()
        if whole and parameter.required:
            assert not missing, f"{parameter.name} is missing"
        if isinstance(parameter.type, click.Choice) and not missing:
            for one in value if isinstance(value, list | tuple) else [value]:
                parameter.type.convert(one, parameter, context)


def test_every_block_says_what_it_is_in_a_language_that_something_checks():
    # The tree of folders is compared with the real one by test_architecture.py.
    known = {"python", "toml", "json", "text", *SHELL, *OTHERS}
    assert [block.place for block in BLOCKS if block.language not in known] == []


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block.place
)
def test_what_a_client_says_of_itself_and_whose_tokens_prove_it_would_be_taken(block):
    given = json.loads(block.text)
    if "claims" in given:
        check_credential(msgspec.convert(given, FederatedCredential))
    else:
        assert read_registration(given).client_name


def test_what_is_not_run_here_is_there():
    names = {*PYTHON, *(block.page for block in PYTHON.values())}
    assert {*NOT_RUN_HERE, *GIVEN} <= names


@pytest.mark.parametrize("name", [name for name in PYTHON if not _is_run(name)])
def test_python_that_others_run_compiles(name):
    compile(PYTHON[name].text, PYTHON[name].place, "exec")


@pytest.mark.parametrize("name", [name for name in PYTHON if _is_run(name)])
def test_python_runs(name, tmp_path):
    code = GIVEN.get(name, "") + PYTHON[name].text
    run = processes.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{PYTHON[name].place}: {run.stderr}"
    assert run.stderr == ""


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_the_shell_of_a_page_calls_what_is_there(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for block in BLOCKS:
        if block.page != page or block.language not in SHELL:
            continue
        if block.language == "sh" and shutil.which("sh"):
            run = processes.run(["sh", "-n"], input=block.text, text=True, capture_output=True)
            assert run.returncode == 0, f"{block.place}: {run.stderr}"
        for command in _commands(block):
            try:
                if command[0] == "carnet":
                    check_carnet(command, whole=True)
                elif command[0] == "make":
                    assert command[1] in targets
                elif command[:2] == ["pip", "install"]:
                    named = re.findall(r"[\w-]+", command[2].removeprefix("carnet"))
                    assert {*named} <= {*EXTRAS}
                elif command[0] == "python" and command[1].endswith(".py"):
                    assert (ROOT / command[1]).is_file()
            except (AssertionError, click.UsageError) as error:
                pytest.fail(f"{block.place}: {shlex.join(command)}: {error}")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_in_the_text_of_a_page_are_there(path):
    for code in re.findall(r"(?<!`)`(carnet [a-z][^`\n]*)`(?!`)", _prose(path)):
        try:
            check_carnet(shlex.split(code.removesuffix(" …")), whole=False)
        except (AssertionError, click.UsageError) as error:
            pytest.fail(f"{path.relative_to(ROOT)}: `{code}`: {error}")


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "toml"], ids=lambda block: block.place
)
def test_settings_and_descriptions_of_clients_load(block, tmp_path):
    if re.search(r"^\[(clients|resources)\.", block.text, re.MULTILINE):
        for file in re.findall(r'^\w*secret_file = "(.*)"$', block.text, re.MULTILINE):
            (tmp_path / file).write_text("0123456789abcdef" * 4)
        ConfigurationFile(block.text.encode(), "clients.toml", tmp_path)
        return
    (tmp_path / "carnet.toml").write_text(block.text, "utf-8")
    load_settings(tmp_path / "carnet.toml", {}, {})


def _prose(path: Path) -> str:
    return FENCED.sub("", path.read_text("utf-8"))


def _anchors(path: Path) -> set[str]:
    """Name a page's headings as GitHub and MyST do."""
    titles = re.findall(r"^#+ (.*)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)\s]+)\)", _prose(path))
    for target in targets:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        place, _, anchor = target.partition("#")
        found = Path(os.path.normpath(path.parent / place)) if place else path
        assert found.exists(), f"{target} is not there"
        assert found.is_relative_to(ROOT), f"{target} leaves the repository"
        if anchor:
            assert anchor in _anchors(found), f"{target}: the page has no such heading"
