"""deploy/compose.yaml: valid, in agreement with itself and with the image."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from tests.deploy import image as images

from carnet import __version__
from carnet.server.running.workers import STOP_SECONDS
from carnet.server.settings import Settings
from carnet.server.settings_sources import load_settings

DEFAULTS = Settings()
ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
# From compose-spec/compose-go, Apache-2.0.
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "compose.json").read_text("utf-8"))
RECIPE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
CARNET = RECIPE["services"]["carnet"]
DOCKERFILE = dict(images.instructions((DEPLOY / "Dockerfile").read_text("utf-8")))


@pytest.mark.parametrize("name", ["deploy/compose.yaml", "examples/microservices/compose.yaml"])
def test_it_is_what_a_compose_file_may_be(name):
    jsonschema_rs.validator_for(SCHEMA).validate(yaml.safe_load((ROOT / name).read_text("utf-8")))


def test_a_misspelt_field_is_found():
    wrong = {**RECIPE, "services": {"carnet": {**CARNET, "helthcheck": {}}}}
    with pytest.raises(jsonschema_rs.ValidationError, match="helthcheck"):
        jsonschema_rs.validator_for(SCHEMA).validate(wrong)


def test_what_a_service_names_is_there():
    for service in RECIPE["services"].values():
        assert {*service.get("secrets", ())} <= RECIPE["secrets"].keys()
        assert {one.partition(":")[0] for one in service["volumes"]} <= RECIPE["volumes"].keys()
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}
            assert "healthcheck" in RECIPE["services"][other]
        for variable, value in service["environment"].items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_the_image_is_built_from_the_dockerfile():
    assert CARNET["image"] == f"carnet:{__version__}"
    assert (DEPLOY / CARNET["build"]["context"]).resolve() == ROOT
    assert (ROOT / CARNET["build"]["dockerfile"]).is_file()
    assert "command" not in CARNET


def test_its_ports_and_volumes_are_the_image_s():
    [port] = CARNET["ports"]
    # Plain HTTP is for a proxy on the same machine.
    assert port == f"127.0.0.1:8400:{DOCKERFILE['EXPOSE']}"
    [volume] = CARNET["volumes"]
    assert json.loads(DOCKERFILE["VOLUME"]) == [volume.partition(":")[2]]


def test_the_service_may_do_and_write_no_more_than_it_must():
    assert CARNET["read_only"] is True
    assert CARNET["cap_drop"] == ["ALL"]
    assert CARNET["security_opt"] == ["no-new-privileges:true"]
    assert (
        int(CARNET["stop_grace_period"].removesuffix("s"))
        > DEFAULTS.stop_delay + DEFAULTS.stop_grace + STOP_SECONDS
    )


def test_its_variables_are_settings(tmp_path):
    (tmp_path / "database").write_text("postgresql://carnet:secret@postgres/carnet\n")
    variables = {**CARNET["environment"], "CARNET_DATABASE_FILE": str(tmp_path / "database")}
    told = []
    settings = load_settings(None, variables, {}, told.append)
    assert told == []
    [network] = RECIPE["networks"]["default"]["ipam"]["config"]
    assert settings.trusted_proxies == (network["gateway"],)
    assert settings.audiences == ("orders", "billing")


def test_no_secret_can_be_committed_or_stands_in_a_variable():
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for secret in RECIPE["secrets"].values():
        assert f"/deploy/{Path(secret['file']).parent}/" in ignored
    assert not re.search("(?i)password: ", (DEPLOY / "compose.yaml").read_text("utf-8"))
