"""The house as its folder listing promises it: arrows, what the wheel holds, no logic in package files."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from pkgutil import resolve_name

import pytest

from config.steps import Purpose, Step
from db.states import LEASED_STEPS
from db.tables.metadata import METADATA
from worker.tasks import PEER_WORK, STEPS

ROOT = Path(__file__).parents[2]
PACKAGES = {"config", "db", "dicom_node", "worker", "dashboard", "deploy"}


def test_dependencies_point_one_way() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert "7 kept, 0 broken" in run.stdout


WITH_A_MAP = [
    *sorted(PACKAGES),
    *("config/sections", "dicom_node/reception", "worker/pixels"),
    *(f"db/{name}" for name in ("consistency", "delivery", "lifecycle", "monitoring", "reading", "rescoring")),
    *(f"db/{name}" for name in ("results", "tables", "views", "working")),
    *(f"deploy/{name}" for name in ("backup", "demo", "doctor", "monitoring", "printing", "processes")),
]


@pytest.mark.parametrize("package", WITH_A_MAP)
def test_every_module_is_on_the_map_of_its_package(package: str) -> None:
    told = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
    inside = [path for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {path.stem for path in inside} - {"__init__"}
    assert names
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", told)) == []


def test_package_files_hold_a_docstring_and_nothing_that_another_distribution_could_take_away() -> None:
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")]
    assert files
    for path in files:
        module = ast.parse(path.read_text())
        assert len(module.body) == 1, path
        assert ast.get_docstring(module), path


def test_files_stay_readable_in_one_go() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for name in PACKAGES
        for path in (ROOT / name).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    ]
    assert long == []


def test_every_step_names_a_function_that_exists() -> None:
    assert set(STEPS) == set(LEASED_STEPS) == set(Step) - {Step.DELIVER}
    assert set(PEER_WORK) == set(Purpose)
    for name in (*STEPS.values(), *PEER_WORK.values()):
        assert callable(resolve_name(name))


def test_a_process_that_only_delivers_loads_no_model_code() -> None:
    code = (
        "import sys; from worker.app import create_worker_app; import worker.delivering, worker.steps.report;"
        "print([name for name in ('torch', 'open_clip', 'timm') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_whoever_opens_the_registry_knows_all_its_tables() -> None:
    """SQLAlchemy refuses the first write where a foreign key leads to a table that nobody has imported."""
    code = "import db.session; from db.tables.base import Base; print(len(Base.metadata.sorted_tables))"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == len(METADATA.sorted_tables)


def test_a_receiving_process_loads_neither_the_registry_nor_the_broker() -> None:
    """It is started for every core, and again whenever one dies: what it does not load, it does not wait for."""
    code = (
        "import sys; import deploy.cli.application, dicom_node.reception.receiver;"
        "print([name for name in ('sqlalchemy', 'alembic', 'celery', 'kombu') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.long
@pytest.mark.system
def test_the_wheel_holds_our_packages_with_their_data_and_nothing_else(tmp_path: Path) -> None:
    # A copy, since a build leaves its own in the tree that it builds, and other tests read that one.
    not_ours = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "demo-data")
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=not_ours)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", tmp_path, source],
        check=True,
        capture_output=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (wheel,) = tmp_path.glob("echoworker-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == PACKAGES
    assert {
        "config/defaults.toml",
        "config/tasks.toml",
        "db/migrations/script.py.mako",
        "db/migrations/views/v_current_results.1.sql",
        "dicom_node/report/languages/zh.toml",
        "worker/consistency/text/lexicons/en.toml",
        "worker/phantom/demo_pack/calibration.json",
    } <= set(names)
    assert not [name for name in names if "test" in name]
    weights = [name for name in names if name.endswith((".safetensors", ".bin"))]
    assert weights == ["worker/phantom/demo_pack/open_clip_model.safetensors"], "no published weights may be passed on"
    assert wheel.stat().st_size < 15_000_000
