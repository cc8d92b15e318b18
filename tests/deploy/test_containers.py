"""Dockerfile and compose file, which no engine reads here: their rules, and their commands run by hand."""

import re
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from config.sections.peers import Role
from config.settings import Settings, load_settings
from dashboard.server import DashboardServer
from db.session import Database
from deploy.monitoring.server import MonitoringServer
from deploy.site_authority import SiteAuthority, Wanted
from tests.support.command_lines import command_named_by
from tests.support.compose import (
    COMPOSE,
    FOLDER,
    SERVICES,
    dashboard_health_by_hand,
    redis_by_hand,
    redis_health_by_hand,
)
from tests.support.servers import Redis, free_port, running
from tests.support.site_files import settings_of_container
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICES.items() if "ECHOWORKER_IMAGE" in service["image"]}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return settings_of_container(FOLDER / "site.toml", tmp_path, monkeypatch)


def test_the_dockerfile_keeps_the_rules_of_dockerfiles() -> None:
    run = subprocess.run([require_tool("hadolint"), FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_both_images_are_of_one_python_run_as_nobody_special_and_hold_no_secret() -> None:
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)[::-1])
    assert re.search(r"^ARG PYTHON=python:3\.11-[\w-]+$", DOCKERFILE, re.MULTILINE), "pinned by its tag"
    assert {name for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)} >= {"cpu", "cuda"}
    assert "${PYTHON}" in stages
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|TOKEN|SECRET)", DOCKERFILE, re.MULTILINE | re.IGNORECASE)
    (python,) = re.findall(
        r"3\.\d+", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    assert f"python:{python}-" in DOCKERFILE


def test_nothing_but_what_the_wheel_is_made_of_goes_to_the_builder() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert let_in == {name.removesuffix("*") for name in packages} | {"pyproject.toml", "README.md", "LICENSE"}
    assert "*" in lines
    assert all((ROOT / name).exists() for name in let_in)


def test_the_dependencies_that_the_image_installs_are_those_of_the_project(tmp_path: Path) -> None:
    (script,) = re.findall(r"<<'LISTED'.*?\n(.*?)\nLISTED$", DOCKERFILE, re.DOTALL | re.MULTILINE)
    listed = subprocess.run(
        [require_tool("python3"), "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    installed = {*project["dependencies"], *(name for extra in ("calibration", "s3") for name in extras[extra])}
    assert set(listed) == installed, "a root that is read-only gets none later"
    assert [name for name in listed if name.startswith("torch==")], "the line that the CPU build is made of"


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_every_container_is_locked_in(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert "healthcheck" in service or service.get("command") == ["node"], "the image brings that of the node"
    assert "privileged" not in service
    assert ":latest" not in service["image"]


def test_passwords_are_files_and_every_one_that_is_used_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert not [
            name for name in service.get("environment", {}) if "PASSWORD" in name and not name.endswith("_FILE")
        ]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/containers/secrets/" in ignored
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())


def test_every_container_of_ours_runs_a_command_that_there_is_and_all_queues_are_served() -> None:
    commands = {name: command_named_by(service["command"]) for name, service in OURS.items()}
    assert set(commands.values()) == {"db upgrade", "node", "worker", "beat", "dashboard"}
    served = {
        queue
        for service in OURS.values()
        if service["command"][0] == "worker"
        for queue in service["command"][2].split(",")
    }
    assert served == {"prepare", "score", "report", "deliver", "forward", "maintenance"}


def test_only_this_host_is_let_in_until_somebody_says_otherwise() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    here = ("127.0.0.1:", "${ECHOWORKER_BIND:-127.0.0.1}:", "${ECHOWORKER_DASHBOARD_BIND:-127.0.0.1}:")
    assert all(port.startswith(here) for port in published)
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_ports_hosts_and_paths_are_the_same_in_every_file(settings: Settings) -> None:
    exposed = set(map(int, re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[0].split()))
    assert exposed == {settings.node.port, settings.tls.port, settings.monitoring.port, settings.dashboard.port}
    assert f"127.0.0.1:{settings.monitoring.port}/ready" in DOCKERFILE
    ports = [port.rsplit(":", 1)[1] for port in SERVICES["node"]["ports"]]
    assert set(ports) == {str(settings.node.port), str(settings.monitoring.port)}
    assert "@postgres/" in settings.database.url
    assert settings.broker.url.startswith("redis://redis:")
    (pacs,) = settings.peers_in(Role.DESTINATION)
    orthanc = yaml.safe_load((FOLDER / "orthanc.json").read_text())
    assert (pacs.host, pacs.port, pacs.ae_title) == ("orthanc", orthanc["DicomPort"], orthanc["DicomAet"])
    we = orthanc["DicomModalities"]["echoworker"]
    assert (we["AET"], we["Host"], we["Port"]) == (settings.node.ae_title, "node", settings.node.port)
    site = (FOLDER / "site.toml").read_text()
    assert all(f'"/run/secrets/{name}"' in site for name in COMPOSE["secrets"])
    assert OURS["node"]["volumes"] == ["data:/var/lib/echoworker"]
    assert "ECHOWORKER_DATA_DIR=/var/lib/echoworker" in DOCKERFILE


def test_the_dashboard_is_there_for_people_and_for_doctor_by_tls_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others look for it is the service; its own container listens to whoever comes."""
    service = OURS["dashboard"]
    assert settings.dashboard.certificate and settings.dashboard.host == "dashboard"
    assert service["ports"][0].endswith(f":{settings.dashboard.port}:{settings.dashboard.port}")
    assert f"https://127.0.0.1:{settings.dashboard.port}/" in service["healthcheck"]["test"][-1]
    (published,) = set(service["networks"]) - {"inside"}
    assert not COMPOSE["networks"][published].get("internal"), "an engine publishes nothing of an internal network"
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    assert load_settings().dashboard.host == "0.0.0.0"  # noqa: S104  within its container


def test_a_canary_finds_the_node_and_is_let_in(settings: Settings) -> None:
    assert settings.canary.host == "node"
    (known,) = [peer for peer in settings.peers_in(Role.SENDER) if peer.ae_title == settings.canary.calling_ae_title]
    assert not known.networks
    (sends,) = [service for service in OURS.values() if "deliver" in service["command"][-1].split(",")]
    assert set(sends["networks"]) & set(OURS["node"]["networks"])


def test_a_worker_has_longer_to_end_than_it_may_take(settings: Settings) -> None:
    for name, service in OURS.items():
        if service["command"][0] == "worker":
            assert float(service["stop_grace_period"].removesuffix("s")) > settings.time_limits.stop_s, name
    node_s = settings.node.drain_timeout_s + 10 + settings.time_limits.stop_s
    assert float(OURS["node"]["stop_grace_period"].removesuffix("s")) > node_s


def test_redis_starts_as_the_compose_file_says_wants_the_password_and_is_healthy_with_it(tmp_path: Path) -> None:
    require_tool("redis-server")
    (tmp_path / "redis-password").write_text("s3cret/of+base64==\n")
    port = free_port()
    healthy = redis_health_by_hand(tmp_path, port)
    assert subprocess.run(healthy, check=False, capture_output=True).returncode != 0
    with running(redis_by_hand(tmp_path, port), tmp_path) as process:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "Redis")
        (name, *_) = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        assert name.startswith("redis-server"), "a shell, as the first process of a container, ends at no SIGTERM"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        assert redis.Redis.from_url(Redis(port).url().replace("//", "//:s3cret%2Fof+base64==@")).ping()
        subprocess.run(healthy, check=True)


def test_the_health_check_of_the_image_asks_whether_the_node_is_ready(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r'CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
    port = free_port()
    asked = [require_tool("python3"), "-c", code.replace(str(settings.monitoring.port), str(port))]
    assert subprocess.run(asked, check=False, capture_output=True).returncode != 0, "nobody answers"
    monkeypatch.delenv("ECHOWORKER_CONFIG")
    monitoring = settings.monitoring.model_copy(update={"host": "127.0.0.1", "port": port})
    no_database = settings.database.model_copy(update={"url": "", "password_file": ""})
    there = settings.model_copy(update={"monitoring": monitoring, "database": no_database, "data_dir": tmp_path})
    server = MonitoringServer(there)
    server.start()
    try:
        assert subprocess.run(asked, check=False, capture_output=True).returncode != 0, "no registry, no receiver"
    finally:
        server.stop()


def test_the_health_check_of_the_dashboard_asks_by_tls_whatever_its_certificate_is_called(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHOWORKER_CONFIG")
    (made,) = SiteAuthority(tmp_path / "tls").make([Wanted(name="echoworker", hosts=("echo.hospital",))], days=30)
    port = free_port()
    healthy = dashboard_health_by_hand(port)
    assert subprocess.run(healthy, check=False, capture_output=True).returncode != 0, "nobody answers"
    files = {"certificate": str(made.certificate), "private_key": str(made.private_key)}
    there = settings.model_copy(
        update={
            "dashboard": settings.dashboard.model_copy(update={"host": "127.0.0.1", "port": port, **files}),
            "database": settings.database.model_copy(update={"url": "", "password_file": ""}),
            "data_dir": tmp_path / "data",
        }
    )
    there.data_dir.mkdir()
    Database.of(there).upgrade()
    server = DashboardServer(there)
    server.start()
    try:
        wait_until(lambda: subprocess.run(healthy, check=False).returncode == 0, 30, "the dashboard to be healthy")
    finally:
        server.stop()
