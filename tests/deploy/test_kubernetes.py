"""The manifests of deploy/kubernetes: valid, in agreement with each other, and a pod that runs."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import httpx
import jsonschema_rs
import pytest
import yaml
from tests import processes
from tests.deploy import image as images
from tests.ports import free_ports

from carnet import __version__
from carnet.cli.commands import root as command_line
from carnet.server.running.workers import STOP_SECONDS
from carnet.server.settings_sources import load_settings

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "kubernetes.json").read_text("utf-8"))
KINDS = {
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "Job": "io.k8s.api.batch.v1.Job",
    "NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "Service": "io.k8s.api.core.v1.Service",
}
KUSTOMIZATION = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text("utf-8"))
OBJECTS = {
    manifest["kind"]: manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((MANIFESTS / name).read_text("utf-8"))
}
PODS = {kind: OBJECTS[kind]["spec"]["template"] for kind in ("Deployment", "Job")}
CONTAINERS = [
    pytest.param(kind, container, id=f"{kind}-{container['name']}")
    for kind, pod in PODS.items()
    for container in pod["spec"]["containers"]
]
SERVER = PODS["Deployment"]["spec"]["containers"][0]


def check(manifest):
    """Fail where a manifest is not what its kind may be; no field is unknown."""
    schema = {"$ref": f"#/$defs/{KINDS[manifest['kind']]}", "$defs": SCHEMA["$defs"]}
    jsonschema_rs.validator_for(schema).validate(manifest)


def matches(selector, labels):
    return selector.items() <= labels.items()


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_is_what_its_kind_may_be(kind):
    check(OBJECTS[kind])


def test_a_misspelt_field_is_found():
    wrong = json.loads(json.dumps(OBJECTS["Deployment"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(jsonschema_rs.ValidationError, match="readinesProbe"):
        check(wrong)


def test_the_kustomization_names_every_file_and_the_version():
    files = {path.name for path in MANIFESTS.iterdir()} - {"kustomization.yaml"}
    [settings] = KUSTOMIZATION["configMapGenerator"]
    assert {*KUSTOMIZATION["resources"], *settings["files"]} == files
    assert {*OBJECTS} == {*KINDS}
    [image] = KUSTOMIZATION["images"]
    assert (image["name"], image["newTag"]) == ("carnet", __version__)


def test_kustomize_puts_them_together():
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl: KUSTOMIZE WAS NOT RUN")
    run = processes.run(["kubectl", "kustomize", MANIFESTS], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    made = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(run.stdout)}
    assert {*made} == {*KINDS, "ConfigMap"}
    for kind in KINDS:
        check(made[kind])
        assert made[kind]["metadata"]["namespace"] == KUSTOMIZATION["namespace"]
    pod = made["Deployment"]["spec"]["template"]["spec"]
    named = [one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one]
    assert named == [made["ConfigMap"]["metadata"]["name"]]
    assert {one["image"] for one in pod["containers"]} == {
        f"registry.example.com/carnet:{__version__}"
    }


def test_what_selects_the_servers_leaves_the_migration_out():
    labels = {kind: pod["metadata"]["labels"] for kind, pod in PODS.items()}
    for selector in (
        OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"],
        OBJECTS["Service"]["spec"]["selector"],
        OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert matches(selector, labels["Deployment"])
        assert not matches(selector, labels["Job"])
    guarded = OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert all(matches(guarded, one) for one in labels.values())
    assert {*OBJECTS["NetworkPolicy"]["spec"]["policyTypes"]} == {"Ingress", "Egress"}


def test_a_voluntary_disruption_leaves_servers_that_serve():
    allowed = OBJECTS["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    assert 0 < allowed < OBJECTS["Deployment"]["spec"]["replicas"] == 3
    assert OBJECTS["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_port_has_one_name_everywhere():
    [port] = SERVER["ports"]
    assert port["containerPort"] == load_settings(MANIFESTS / "carnet.toml", {}, {}).port
    [service] = OBJECTS["Service"]["spec"]["ports"]
    [let_in] = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    probed = [SERVER[f"{kind}Probe"]["httpGet"]["port"] for kind in PROBES]
    assert {service["targetPort"], *(one["port"] for one in let_in["ports"]), *probed} == {
        port["name"]
    }


# Only readiness asks for the database: without it a new start changes nothing.
PROBES = {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_asks_what_it_should(kind):
    assert SERVER[f"{kind}Probe"]["httpGet"]["path"] == PROBES[kind]


def test_a_pod_has_the_time_to_finish_what_is_in_flight():
    settings = load_settings(MANIFESTS / "carnet.toml", {}, {})
    assert settings.stop_delay > 0
    needed = settings.stop_delay + settings.stop_grace + STOP_SECONDS
    assert PODS["Deployment"]["spec"]["terminationGracePeriodSeconds"] > needed


@pytest.mark.parametrize("kind", PODS)
def test_a_pod_keeps_to_the_restricted_profile(kind):
    spec = PODS[kind]["spec"]
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    # A Service named carnet would set CARNET_PORT.
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert {kind for volume in spec["volumes"] for kind in volume} <= {
        *("name", "secret", "configMap", "emptyDir")
    }


@pytest.mark.parametrize(("kind", "container"), CONTAINERS)
def test_a_container_keeps_to_the_restricted_profile_and_writes_to_volumes_only(kind, container):
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == "carnet"
    assert {*container["resources"]["limits"]} == {"memory"}
    # No secret in a variable: those are seen by whoever may look at the pod.
    assert not [one for one in container.get("env", ()) if "valueFrom" in one]
    volumes = {volume["name"]: volume for volume in PODS[kind]["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        assert ("emptyDir" in volumes[mount["name"]]) != mount.get("readOnly", False)


def mounts_of(container, folders):
    return [
        images.Mount(folders[one["name"]], one["mountPath"], one.get("readOnly", False))
        for one in container["volumeMounts"]
    ]


def make_volumes(pod, folder, secrets):
    """Make a pod's volumes as the kubelet does: they are root's, and their group is fsGroup."""
    folders, group = {}, pod["securityContext"]["fsGroup"]
    for volume in pod["volumes"]:
        place = folders[volume["name"]] = folder / volume["name"]
        place.mkdir()
        if "emptyDir" in volume:
            os.chown(place, 0, group)
            place.chmod(0o777 | stat.S_ISGID)
        elif "configMap" in volume:
            for file in KUSTOMIZATION["configMapGenerator"][0]["files"]:
                shutil.copy(MANIFESTS / file, place)
        else:
            for name, text in secrets[volume["secret"]["secretName"]].items():
                (place / name).write_text(text)
                os.chown(place / name, 0, group)
                (place / name).chmod(volume["secret"]["defaultMode"])
    return folders


def variables_of(container):
    return {one["name"]: one["value"] for one in container.get("env", ())}


@pytest.mark.slow
def test_the_pod_of_the_deployment_serves_and_ends_with_0(image, folder, postgres_url):
    pod = PODS["Deployment"]["spec"]
    secrets = {"carnet": {"database": postgres_url, "master.key": "A" * 42 + "E\n"}}
    folders = make_volumes(pod, folder, secrets)
    user = "{runAsUser}:{runAsGroup}".format_map(pod["securityContext"])
    port = free_ports(1)
    process = image.start(
        [*image.entrypoint, *SERVER["args"]],
        mounts=mounts_of(SERVER, folders),
        read_only=True,
        user=user,
        # The host's network leads to the database; several workers are what the pod allows.
        env={**variables_of(SERVER), "CARNET_PORT": str(port), "CARNET_WORKERS": "2"},
    )

    def answers(kind):
        path = SERVER[f"{kind}Probe"]["httpGet"]["path"]
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 200
        except httpx.TransportError:
            assert process.poll() is None, process.stdout.read()
            return False

    for kind in PROBES:
        processes.wait_until(lambda kind=kind: answers(kind))
    status, output = images.stop(process)
    assert status == 0, output
    assert "ignored" not in output


@pytest.mark.slow
def test_the_pod_of_the_job_migrates_and_ends_with_0(image, folder, postgres_url):
    pod = PODS["Job"]["spec"]
    [container] = pod["containers"]
    command = container["args"][0]
    if command not in command_line.list_commands(None):
        pytest.skip(f"this version has no `carnet {command}`: THE JOB WAS NOT RUN")
    folders = make_volumes(pod, folder, {"carnet-migrate": {"database": postgres_url}})
    status, output = image.run(
        [*image.entrypoint, *container["args"]],
        mounts=mounts_of(container, folders),
        read_only=True,
        user="{runAsUser}:{runAsGroup}".format_map(pod["securityContext"]),
        env=variables_of(container),
    )
    assert status == 0, output


@pytest.mark.parametrize(("kind", "container"), CONTAINERS)
def test_a_container_s_files_are_in_its_volumes(kind, container):
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    named = [*container.get("command", ()), *variables_of(container).values()]
    for word in (*named, *container.get("args", ())):
        assert not word.startswith("/") or any(word.startswith(place) for place in places), word
