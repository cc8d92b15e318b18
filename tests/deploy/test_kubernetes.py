"""The Kubernetes manifests, which no cluster reads here: schemas, and whether they fit each other and the software."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from config.sections.peers import Role
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
    assert {command_named_by(line) for line in lines} == {"node", "worker", "beat", "dashboard", "db upgrade", "backup"}
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
    dicom = service("dicom")
    assert dicom["spec"]["type"] == "LoadBalancer"
    assert dicom["spec"]["publishNotReadyAddresses"] is True
    assert dicom["spec"]["externalTrafficPolicy"] == "Local", "else the node would not see who calls"


def test_the_dashboard_is_reached_by_tls_alone_and_sees_who_asks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workload,) = [found for found in WORKLOADS if found["metadata"]["name"] == "dashboard"]
    (container,) = containers_of(workload)
    (port,) = container["ports"]
    assert port["containerPort"] == settings.dashboard.port
    assert settings.dashboard.certificate and settings.dashboard.public_url.startswith("https://")
    for name in ("startup", "liveness", "readiness"):
        assert container[f"{name}Probe"]["httpGet"] == {"path": "/sign-in", "port": port["name"], "scheme": "HTTPS"}
    people = service("people")["spec"]
    assert [(each["port"], each["targetPort"]) for each in people["ports"]] == [(443, port["name"])]
    assert people["externalTrafficPolicy"] == "Local", "else the audit trail would not say from where"
    # Where `doctor` in the node's pod looks for it: a name that leads to the pod itself, and so to the port as it is.
    assert service(settings.dashboard.host)["spec"]["clusterIP"] == "None"
    assert goes_through("node", "dashboard", settings.dashboard.port)
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    assert load_settings().dashboard.host == "0.0.0.0"  # noqa: S104  within its container


def test_a_canary_reaches_the_node_by_tls_and_is_let_in(settings: Settings) -> None:
    assert service(settings.canary.host)["spec"]["selector"] == {"app.kubernetes.io/component": "node"}
    assert service(settings.canary.host)["spec"]["clusterIP"] == "None"
    (known,) = [peer for peer in settings.peers_in(Role.SENDER) if peer.ae_title == settings.canary.calling_ae_title]
    assert (known.tls, known.networks) == (True, ())
    assert goes_through("deliver", "node", settings.tls.port)


def service(name: str) -> dict[str, Any]:
    (found,) = [each for each in OBJECTS if each["kind"] == "Service" and each["metadata"]["name"] == name]
    return found


def goes_through(source: str, target: str, port: int) -> bool:
    """Whether network policies let pods of one component call those of another, which takes a rule on either side."""
    return all(
        any(_names(rule, side, other, port) for rule in _rules(of, direction))
        for of, direction, side, other in (
            (source, "egress", "to", target),
            (target, "ingress", "from", source),
        )
    )


def _rules(component: str, direction: str) -> list[dict[str, Any]]:
    chosen = {"matchLabels": {"app.kubernetes.io/component": component}}
    policies = [found["spec"] for found in OBJECTS if found["kind"] == "NetworkPolicy"]
    return [rule for spec in policies if spec["podSelector"] == chosen for rule in spec.get(direction, [])]


def _names(rule: dict[str, Any], side: str, other: str, port: int) -> bool:
    pods = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": other}}}
    return pods in rule[side] and port in [each["port"] for each in rule["ports"]]


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


def test_before_an_upgrade_the_handbook_stops_everything_that_runs() -> None:
    """A schema is looked at when a process starts: nothing of the old image may run once `apply` brings the new one."""
    written = (ROOT / "docs" / "upgrading.md").read_text()
    (commands,) = [block for block in re.findall(r"```sh\n(.*?)```", written, re.DOTALL) if "kubectl apply" in block]
    before, _, after = commands.partition("kubectl apply")
    there = {f"{found['kind'].lower()}/{found['metadata']['name']}" for found in OBJECTS}
    assert set(re.findall(r"(?:deployment|statefulset|scaledobject|cronjob)/\w+", commands)) <= there
    stopped = {name for line in re.findall("scale --replicas=0 (.*)", before) for name in line.split()}
    paused = re.findall("annotate (.*) autoscaling.keda.sh/paused-replicas=0$", before, re.MULTILINE)
    assert re.findall("annotate (.*) autoscaling.keda.sh/paused-replicas-$", after, re.MULTILINE) == paused
    scaled = {f"scaledobject/{found['metadata']['name']}" for found in SCALED}
    assert set(paused[0].split()) == scaled
    run = {name for name in there if name.startswith(("deployment/", "statefulset/"))}
    assert stopped == run - {f"deployment/{found['spec']['scaleTargetRef']['name']}" for found in SCALED}
    assert "component!=backup" in before, "pods of backups that were made are never deleted"


def test_no_secret_is_among_the_manifests() -> None:
    assert "Secret" not in {found["kind"] for found in OBJECTS}
    assert "secretGenerator" not in KUSTOMIZATION
