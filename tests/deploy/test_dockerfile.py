"""The image is built and run as deploy/Dockerfile says."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests import processes
from tests.deploy import image as images

from carnet import __version__

pytestmark = pytest.mark.slow

ISSUER = {"CARNET_ISSUER": "https://auth.example.com"}


def is_healthy(image, process):
    return image.run_beside(process, image.health).returncode == 0


def test_it_serves_on_a_read_only_root_without_privileges_and_ends_with_0(image, volume):
    process = image.start(
        [*image.entrypoint, *image.command],
        mounts=[volume],
        read_only=True,
        network="own",
        env=ISSUER,
    )
    # Before it listens, and where another thing does, the health check says no.
    processes.wait_until(lambda: is_healthy(image, process))
    status = image.run_beside(process, ["cat", "/proc/1/status"]).stdout
    assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    refused = image.run_beside(process, ["touch", "/opt/carnet/x"])
    assert "Read-only file system" in refused.stderr
    assert images.stop(process)[0] == 0
    assert sorted(path.name for path in volume.source.iterdir()) == ["carnet.db", "master.key"]


def test_its_health_check_fails_where_the_service_is_not_ready(image, volume):
    answers_503 = "from http.server import *; HTTPServer(('', 8400), BaseHTTPRequestHandler)"
    process = image.start(
        ["python", "-c", f"{answers_503}.serve_forever()"], mounts=[volume], network="own"
    )
    connects = ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8400))"]
    processes.wait_until(lambda: image.run_beside(process, connects).returncode == 0)
    assert not is_healthy(image, process)
    process.kill()
    process.communicate()


def test_the_command_line_is_run_by_naming_its_command(image, volume):
    status, output = image.run([*image.entrypoint, "--version"], mounts=[volume], read_only=True)
    assert (status, output) == (0, f"carnet, version {__version__}\n")


def test_it_says_in_one_line_that_it_needs_an_issuer(image, volume):
    status, output = image.run([*image.entrypoint, *image.command], mounts=[volume])
    assert status == 2
    assert "needs the setting issuer" in output
    assert "Traceback" not in output


def test_it_holds_the_locked_packages_that_the_service_needs_and_no_tools(image, root):
    (packages,) = image.path("/opt/carnet/lib").glob("python*/site-packages")
    lock = (root / "requirements.lock").read_text("utf-8")
    locked = {one.replace("-", "_") for one in re.findall(r"^[\w-]+==[\w.]+", lock, re.MULTILINE)}
    found = {
        re.sub(r"-(?=[^-]*$)", "==", path.stem).lower() for path in packages.glob("*.dist-info")
    }
    assert found <= {*locked, f"carnet=={__version__}"}
    names = {one.partition("==")[0] for one in found}
    assert {"carnet", "starlette", "apsw", "asyncpg", "click"} <= names
    assert not names & {"pip", "setuptools", "hatchling", "django", "flask", "litestar", "grpcio"}
    assert not [*packages.rglob("*.pth")]
    assert [*packages.rglob("carnet/**/*.pyc")], "a root that is read-only can't be compiled to"


def test_what_is_not_copied_stays_outside(image):
    build = image.root.with_name("build")
    assert sorted(path.name for path in (build / "build").iterdir()) == [
        *("LICENSE", "README.md", "pyproject.toml", "requirements.lock", "src", "wheels"),
    ]
    assert not [*(build / "build" / "src").rglob("__pycache__")]


def test_it_names_no_registry_and_its_version_is_the_package_s(root):
    text = (root / "deploy" / "Dockerfile").read_text("utf-8")
    images_named = [rest.split()[0] for word, rest in images.instructions(text) if word == "FROM"]
    assert {*images_named} == {"python:3.13-slim-bookworm"}
    assert "://" not in text
    assert f'org.opencontainers.image.version="{__version__}"' in text
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert f'org.opencontainers.image.licenses="{project["license"]}"' in text


def test_signals_and_the_health_check_reach_it_without_a_shell(root):
    text = (root / "deploy" / "Dockerfile").read_text("utf-8")
    read = dict(images.instructions(text))
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert read[word].endswith("]"), word
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", read["USER"])
