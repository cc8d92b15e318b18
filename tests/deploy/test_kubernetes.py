"""The Kubernetes manifests, which no cluster reads here: schemas, and whether they fit each other and the software."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from config.settings import Settings, load_settings
from db.session import Database
from db.states import StudyState
from deploy.monitoring.metrics import Metrics
from tests.support.command_lines import command_named_by
from tests.support.site_files import settings_of_container

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    found for name in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((FOLDER / name).read_text())
]
WORKLOADS = [found for found in OBJECTS if found["kind"] in ("Deployment", "StatefulSet", "CronJob")]
SCALED = [found for found in OBJECTS if found["kind"] == "ScaledObject"]
OLDEST = "1.27"


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]
    pod: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return pod


def containers_of(workload: dict[str, Any]) -> list[dict[str, Any]]:
    pod = pod_of(workload)["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def named(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{found['kind']} {found['metadata']['name']}" for found in objects]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return settings_of_container(FOLDER / "site.toml", tmp_path, monkeypatch)


def test_every_file_is_named_in_the_kustomization() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    assert len(named(OBJECTS)) == len(set(named(OBJECTS)))


@pytest.mark.parametrize("found", [each for each in OBJECTS if each not in SCALED], ids=lambda each: named([each])[0])
def test_an_object_is_what_kubernetes_calls_one(found: dict[str, Any]) -> None:
    kubernetes_validate.validate(found, OLDEST, strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: named([each])[0])
def test_a_pod_keeps_to_the_restricted_standard_and_its_root_is_read_only(workload: dict[str, Any]) -> None:
    """Pod Security Standards, "restricted", which the namespace enforces."""
    pod = pod_of(workload)["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert "USER 10001:10001" in (ROOT / "deploy/containers/Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert all(set(volume) & {"persistentVolumeClaim", "configMap", "secret", "emptyDir"} for volume in pod["volumes"])
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in containers_of(workload):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert "memory" in container["resources"]["limits"]
    (namespace,) = [found for found in OBJECTS if found["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_containers_run_commands_that_there_are_and_all_queues_are_served() -> None:
    lines = [container["args"] for workload in WORKLOADS for container in containers_of(workload)]
    assert {command_named_by(line) for line in lines} == {"node", "worker", "beat", "db upgrade", "backup"}
    served = {queue for line in lines if line[0] == "worker" for queue in line[2].split(",")}
    assert served == {"prepare", "score", "report", "deliver", "forward", "maintenance"}


def test_images_are_those_that_the_dockerfile_makes() -> None:
    images = {container["image"] for workload in WORKLOADS for container in containers_of(workload)}
    renamed = {image["name"]: image["newTag"] for image in KUSTOMIZATION["images"]}
    assert images == set(renamed)
    targets = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "deploy/containers/Dockerfile").read_text(), re.MULTILINE)
    assert set(renamed.values()) <= set(targets)


def test_the_gpu_worker_asks_for_one_gpu_and_nobody_else_does() -> None:
    asks = {
        workload["metadata"]["name"]: container["resources"]["limits"]["nvidia.com/gpu"]
        for workload in WORKLOADS
        for container in containers_of(workload)
        if "nvidia.com/gpu" in container["resources"]["limits"]
    }
    assert asks == {"score": "1"}


def test_the_settings_are_right_and_fit_ports_paths_and_times(settings: Settings) -> None:
    (node,) = [found for found in WORKLOADS if found["kind"] == "StatefulSet"]
    (container,) = containers_of(node)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    wanted = {"dicom": settings.node.port, "dicom-tls": settings.tls.port, "monitoring": settings.monitoring.port}
    assert ports == wanted
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    # What is away for a while (registry, broker) must not end a node that can receive.
    assert probes == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    site = (FOLDER / "site.toml").read_text()
    for name in re.findall(r'"(/run/[^"]+)"', site):
        assert str(Path(name).parent) in (mounts["passwords"], mounts["certificates"])
    assert mounts["data"] == "/var/lib/echoworker"
    for workload in WORKLOADS:
        line = containers_of(workload)[-1]["args"]
        grace = pod_of(workload)["spec"].get("terminationGracePeriodSeconds")
        if line[0] == "worker":
            assert grace > settings.time_limits.stop_s
        if line[0] == "node":
            assert grace > settings.node.drain_timeout_s + 10 + settings.time_limits.stop_s


def test_instances_are_let_in_while_the_registry_is_away() -> None:
    (dicom,) = [found for found in OBJECTS if found["kind"] == "Service" and found["spec"].get("type")]
    assert dicom["spec"]["type"] == "LoadBalancer"
    assert dicom["spec"]["publishNotReadyAddresses"] is True
    assert dicom["spec"]["externalTrafficPolicy"] == "Local", "else the node would not see who calls"


def test_services_and_network_policies_select_pods_that_there_are() -> None:
    components = {pod_of(workload)["metadata"]["labels"]["app.kubernetes.io/component"] for workload in WORKLOADS}
    for found in OBJECTS:
        if found["kind"] == "Service":
            assert found["spec"]["selector"]["app.kubernetes.io/component"] in components
        if found["kind"] == "NetworkPolicy":
            selector = found["spec"]["podSelector"]
            label = selector.get("matchLabels", {}).get("app.kubernetes.io/component")
            chosen = {label} if label else set()
            for expression in selector.get("matchExpressions", []):
                chosen |= set(expression["values"])
            assert chosen <= components


def test_workers_are_scaled_by_metrics_and_states_that_there_are(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    registry = Database.of(settings)
    registry.upgrade()
    told = Metrics(settings, registry).text().decode()
    registry.close()
    deployments = {each["metadata"]["name"]: each for each in WORKLOADS if each["kind"] == "Deployment"}
    assert {found["spec"]["scaleTargetRef"]["name"] for found in SCALED} == {"score", "prepare"}
    for found in SCALED:
        scaled = deployments[found["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in scaled["spec"], "kubectl apply would set it back each time"
        for trigger in found["spec"]["triggers"]:
            series = re.findall(r'(\w+\{state="(\w+)"\})', trigger["metadata"]["query"])
            assert series
            for name, state in series:
                assert state in set(StudyState)
                assert re.search(rf"^{re.escape(name)} \d", told, re.MULTILINE)


def test_no_secret_is_among_the_manifests() -> None:
    assert "Secret" not in {found["kind"] for found in OBJECTS}
    assert "secretGenerator" not in KUSTOMIZATION
