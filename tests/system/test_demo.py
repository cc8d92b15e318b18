"""`make demo`, as a new user runs it; and nothing in it asks the network."""

import os
import re
import subprocess
from pathlib import Path

import pydicom
import pytest

from db.consistency.discordance_review import list_discordances
from db.reading.queries import study_detail
from db.results.runs import Verdict
from db.session import Database
from deploy.demo.view import CLASSED, MEASURED, TOLERANCE
from tests.support.installation import ECHOWORKER
from worker.phantom.heart import Device, Grade
from worker.phantom.truth import StudyKind, read_truths

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

GRADES = [str(grade) for grade in Grade]
WATCH = '''
"""Loaded by every Python process of the demo: any address but the loopback is written down, and refused."""
import sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        with open({log!r}, "a") as log:
            log.write(f"{{event}} {{host}} by {{sys.argv}}\\n")
        raise OSError("no network here")

sys.addaudithook(watch)
with open({log!r}, "a") as log:
    log.write(f"watching {{sys.argv}}\\n")
'''


def test_the_demo_shows_the_whole_way_and_asks_no_network(tmp_path: Path) -> None:
    log = tmp_path / "network.log"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    path = os.pathsep.join(filter(None, [str(tmp_path / "hook"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "0", "COLUMNS": "200"}
    folder = tmp_path / 'a "quoted" [red]demo'
    run = subprocess.run(
        [ECHOWORKER, "demo", "--folder", folder], capture_output=True, text=True, check=False, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for word in (
        "study 1: a normal heart",
        "DELIVERED",
        "SKIPPED",
        "Made by a DEMO model trained on synthetic hearts alone: the numbers say nothing about a patient",
        "Left Ventricular Ejection Fraction by US",
        "NOT FOR CLINICAL USE",
        "What is true, and what the DEMO model saw",
        "nothing to see",
        "Reports that do not agree with the images, as the system found them",
        "Discordance (major): Left ventricular ejection fraction: text report",
        "What the PACS received beside the reports",
        "heat map, 16 frames",
        f"registry  sqlite:///{folder}/data/registry.sqlite3",
        f"spool     {folder}/data/spool",
        f"PACS      {folder}/pacs",
    ):
        assert " ".join(word.split()) in " ".join(run.stdout.split()), word
    shown = re.findall(r"^of study (\S+)$", run.stdout, re.MULTILINE)
    assert shown == re.findall(r"^Study (\S+)  revision 1", run.stdout, re.MULTILINE)
    assert len(shown) == 1
    assert "Its PACS goes with the demo" in run.stdout
    password = (folder / "data" / "dashboard-password").read_text().strip()
    assert f"name admin, password {password}" in run.stdout
    assert re.search(r"^dashboard http://127\.0\.0\.1:\d+$", run.stdout, re.MULTILINE)
    open_to_others = [path for path in (folder / "data").rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == [], "all that holds PHI is for its owner alone"
    assert_its_answers_are_right(folder)
    assert_contradictions_are_found(folder)
    seen = log.read_text().splitlines()
    assert len([line for line in seen if line.startswith("watching")]) >= 6, "demo, up, node, workers and beat"
    assert [line for line in seen if not line.startswith("watching")] == []


def assert_its_answers_are_right(folder: Path) -> None:
    """The model knows synthetic hearts: its answers are near the truth, and it calls every device and no other."""
    truths = {truth.study_instance_uid: truth for truth in read_truths(folder / "studies")}
    received = [pydicom.dcmread(path) for path in (folder / "pacs").iterdir()]
    expected = {uid for uid, truth in truths.items() if truth.kind is not StudyKind.NO_VIEW}
    for modality in ("SR", "OT", "DOC"):  # report, heat map and page of each study
        of_kind = [str(instance.StudyInstanceUID) for instance in received if instance.Modality == modality]
        assert sorted(of_kind) == sorted(expected), modality
    database = Database(f"sqlite:///{folder}/data/registry.sqlite3")
    for uid in expected:
        heart = truths[uid].heart
        with database.read() as session:
            run = study_detail(session, uid).run
        assert run is not None
        results = {result.task_id: result for result in run.results}
        for task, tolerance in TOLERANCE.items():
            assert results[task].value == pytest.approx(getattr(heart, MEASURED[task]), abs=tolerance), task
        for task in CLASSED:
            apart = GRADES.index(results[task].outcome or "") - GRADES.index(getattr(heart, task))
            assert abs(apart) <= 1, task
        found = {task for task in Device if results[task].verdict is Verdict.PRESENT}
        assert found == set(heart.devices)


def assert_contradictions_are_found(folder: Path) -> None:
    """What a report says that is not true of its heart; the model's own errors may be called in doubt as well."""
    database = Database(f"sqlite:///{folder}/data/registry.sqlite3")
    for truth in read_truths(folder / "studies"):
        with database.read() as session:
            found = list_discordances(session, study_instance_uid=truth.study_instance_uid)
        assert {one.found.field for one in found} >= {each.task for each in truth.contradictions}


def test_a_folder_that_holds_something_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    run = subprocess.run([ECHOWORKER, "demo", "--folder", tmp_path], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "holds something else" in run.stderr
    assert (tmp_path / "thesis.txt").read_text() == "precious"
