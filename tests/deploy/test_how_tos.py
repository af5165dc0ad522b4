"""The commands of docs/how-to/{containers,kubernetes,systemd}.md do what the pages say."""

from __future__ import annotations

import re
import shlex
import shutil
import stat
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from tests import processes
from tests.deploy import image as images
from tests.docs.test_blocks import check_carnet

from carnet import __version__
from carnet.server.keys.master_key import read_master_key
from carnet.server.settings_sources import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def blocks(page):
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def lines(block):
    return [line for line in block.replace("\\\n", " ").splitlines() if line]


CONTAINERS, KUBERNETES, SYSTEMD = map(blocks, ("containers", "kubernetes", "systemd"))
DOCKER = [shlex.split(line) for line in lines(CONTAINERS[0])]
KUBECTL = [
    shlex.split(line) for block in KUBERNETES for line in lines(block) if line.startswith("kubectl")
]


def option(words, name):
    """Give what an option of a command has for values."""
    return [value for word, value in pairwise(words) if word == f"--{name}"]


def run_here(commands, folder):
    run = processes.run(
        ["sh", "-euc", "\n".join(commands)], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_every_block_is_looked_at_here():
    assert [len(page) for page in (CONTAINERS, KUBERNETES, SYSTEMD)] == [2, 4, 6]


def test_the_container_is_built_and_run_as_the_dockerfile_is(tmp_path):
    build, run, enter = DOCKER
    assert build[:2] == ["docker", "build"]
    assert (ROOT / option(build, "file")[0]).is_file()
    assert build[-1] == "."
    assert option(build, "tag") == [run[-1]] == [f"carnet:{__version__}"]
    recipe = dict(images.instructions((DEPLOY / "Dockerfile").read_text("utf-8")))
    assert f'["{option(run, "volume")[0].partition(":")[2]}"]' == recipe["VOLUME"]
    assert option(run, "publish") == [f"127.0.0.1:8400:{recipe['EXPOSE']}"]
    told = []
    variables = dict(one.split("=") for one in option(run, "env"))
    settings = load_settings(None, variables, {}, told.append)
    assert (settings.audiences, told) == (("orders", "billing"), [])
    assert option(run, "name") == [enter[enter.index("--tty") + 1]]
    check_carnet(enter[enter.index("--tty") + 2 :], whole=True)


def test_docker_has_the_options():
    if shutil.which("docker") is None:
        pytest.skip("there is no docker: ITS OPTIONS WERE NOT CHECKED")
    for words in DOCKER:
        told = processes.run([*words[:2], "--help"], capture_output=True, text=True).stdout
        given = {word for word in words if word.startswith("--")} - {"--role"}
        assert given <= {*re.findall(r"--[a-z-]+", told)}, words


def test_the_secrets_of_the_compose_file_are_made_for_the_containers_alone(tmp_path):
    (tmp_path / "deploy").mkdir()
    *commands, up = lines(CONTAINERS[1])
    assert (ROOT / option(shlex.split(up), "file")[0]).is_file()
    run_here(["umask 077", *commands], tmp_path)
    made = tmp_path / "deploy" / "secrets"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    recipe = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    wanted = {Path(secret["file"]).name for secret in recipe["secrets"].values()}
    assert {path.name for path in made.iterdir()} == wanted
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o444}
    settings = load_settings(None, {"CARNET_DATABASE_FILE": str(made / "database")}, {})
    password = (made / "postgres_password").read_text().strip()
    assert settings.database == f"postgresql://carnet:{password}@postgres/carnet"
    assert len(password) == 32


def test_the_secrets_of_kubernetes_hold_what_the_pods_read(tmp_path):
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl: NO SECRET WAS MADE")
    for name in ("database", "database-owner"):
        (tmp_path / name).write_text("postgresql://carnet@db.example.com/carnet\n")
    dry = " --dry-run=client --output=yaml > {}.yaml"
    commands = lines(KUBERNETES[0])
    run_here(
        [
            line + dry.format(number) if line.startswith("kubectl") else line
            for number, line in enumerate(commands)
        ],
        tmp_path,
    )
    read_master_key(tmp_path / "master.key")
    made = [yaml.safe_load(path.read_text()) for path in tmp_path.glob("*.yaml")]
    held = {one["metadata"]["name"]: {*one["data"]} for one in made if one["kind"] == "Secret"}
    assert held == {"carnet": {"master.key", "database"}, "carnet-migrate": {"database"}}


def test_kubectl_names_what_the_manifests_have():
    documents = [
        yaml.safe_load(path.read_text()) for path in (DEPLOY / "kubernetes").glob("*.yaml")
    ]
    named = {
        f"{one['kind'].lower()}/{one['metadata']['name']}" for one in documents if "metadata" in one
    }
    places = {one["namespace"] for one in documents if "namespace" in one}
    labels = [one["metadata"]["labels"] for one in documents if "metadata" in one]
    for words in KUBECTL:
        assert {*option(words, "namespace")} <= places, words
        for folder in option(words, "kustomize"):
            assert (ROOT / folder / "kustomization.yaml").is_file()
        for selector in option(words, "selector"):
            key, _, value = selector.partition("=")
            assert [one for one in labels if one.get(key) == value]
        joined = " ".join(words)
        for kind, name in re.findall(r"\b(job|deployment)[/ ]([\w-]+)", joined):
            assert f"{kind}/{name}" in named, words
        if "--" in words:
            check_carnet(words[words.index("--") + 1 :], whole=True)


@pytest.mark.slow
def test_a_machine_is_set_up_for_the_units(image):
    # The stage in which the image was built has Carnet in /opt/carnet, and no user of its name.
    machine = replace(
        image,
        root=image.root.with_name("build"),
        environment={"PATH": images.SEARCHED},
        folder="/repository",
        user="0:0",
    )
    (machine.root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    programs, set_up, start, command, postgres, listed = map(lines, SYSTEMD)
    assert [words.split()[0] for words in programs] == ["python3", "/opt/carnet/bin/pip"]
    for block in (set_up, postgres):
        status, output = machine.run(
            ["sh", "-euc", "\n".join(block)], mounts=[images.Mount(ROOT, "/repository", True)]
        )
        assert status == 0, output
    settings = machine.root / "etc/carnet"
    read_master_key(settings / "master.key")
    load_settings(
        settings / "carnet.toml", {"CARNET_DATABASE_FILE": str(settings / "database")}, {}
    )
    for secret in ("master.key", "database"):
        assert stat.S_IMODE((settings / secret).stat().st_mode) == 0o600
    units = machine.root / "etc/systemd/system"
    assert (units / "carnet.service.d" / "postgresql.conf").is_file()
    for words in map(shlex.split, start):
        assert words[0] == "systemctl"
        assert all((units / word).is_file() for word in words if "." in word)
    # The user is there, may pass, and the commands are ones.
    for [line] in (command, listed):
        words = shlex.split(line)
        place = words.index("/opt/carnet/bin/carnet")
        check_carnet(["carnet", *words[place + 1 :]], whole=True)
        status, output = machine.run(
            ["sh", "-euc", shlex.join([*words[: place + 1], "--version"])],
            mounts=[images.Mount(ROOT, "/repository", True)],
        )
        assert (status, output) == (0, f"carnet, version {__version__}\n")
