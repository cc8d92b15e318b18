"""`echoworker deliveries` as an administrator meets it, over a registry with a dead letter and a destination away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import load_settings
from db.delivery.delivering import Answered, record_answer
from db.delivery.queues import Trouble, release_queue
from db.session import Database
from tests.support.installation import Installation
from tests.support.reported import due, instance_of, must_take, report_uid_of, reported
from tests.support.servers import StoreSCP

REFUSED = "0xA900 data set does not match SOP class"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))


@pytest.fixture
def dead(installation: Installation) -> int:
    """The number of a delivery that is dead; another study waits for ARCHIVE, which is away."""
    now = datetime.now(UTC)
    settings = load_settings(data_dir=installation.folder / "data")
    registry, pipeline = Database(settings.database_url), settings.pipeline
    registry.upgrade()
    for study, to in (("1.2.1", ["pacs"]), ("1.2.2", ["pacs", "archive"])):
        instance = instance_of(study, sop=f"{study}.1.1", at=now)
        reported(registry, pipeline, instance, to=to, now=now)
    held = must_take(registry, "pacs", now)
    answers = (Answered.REFUSED, REFUSED), (Answered.ACCEPTED, "0x0000")
    first, second = due(registry, "pacs", now)
    once = pipeline.model_copy(update={"maximum_delivery_attempts": 1})
    for item, (answered, answer) in zip((first, second), answers, strict=True):
        with registry.write() as session:
            record_answer(session, held, item.delivery_id, answered, answer=answer, now=now, pipeline=once)
    away = must_take(registry, "archive", now)
    trouble = Trouble(reason="ARCHIVE at archive:104: connection refused: nothing listens there")
    with registry.write() as session:
        release_queue(session, held, trouble=None, now=now, pipeline=pipeline)
        release_queue(session, away, trouble=trouble, now=now + timedelta(hours=1), pipeline=pipeline)
    registry.close()
    return first.delivery_id


def test_each_destination_shows_what_waits_what_is_dead_and_whether_it_is_away(
    installation: Installation, dead: int
) -> None:
    said = installation.command("deliveries").stdout
    (archive,) = [line for line in said.splitlines() if "archive " in line]
    (pacs,) = [line for line in said.splitlines() if "pacs " in line]
    cells = [cell.strip() for cell in archive.strip("│").split("│")]
    assert (cells[0], cells[1], cells[4], cells[5]) == ("archive", "1", "0", "open")
    assert "ARCHIVE at archive:104" in archive
    cells = [cell.strip() for cell in pacs.strip("│").split("│")]
    assert cells[:6] == ["pacs", "0", "0", "1", "1", "closed"]


def test_a_dead_letter_is_listed_inspected_and_resent(installation: Installation, dead: int) -> None:
    (listed,) = [line for line in installation.command("deliveries", "dead").stdout.splitlines() if "1.2.1" in line]
    for word in (str(dead), "pacs", "sr", REFUSED):
        assert word in listed
    shown = installation.command("deliveries", "show", str(dead)).stdout
    for word in ("DEAD", "1.2.1: FAILED", report_uid_of("1.2.1"), "0" * 64, "spool/reports/1.2.1/sr", REFUSED):
        assert word in shown
    again = installation.command("deliveries", "resend", str(dead))
    assert again.stdout.startswith("1 delivery is due; the reaper announces them within")
    assert "no dead letters" in installation.command("deliveries", "dead").stdout
    assert "REPORTED" in installation.command("study", "1.2.1").stdout


def test_all_of_a_destination_are_resent_at_once(installation: Installation, dead: int) -> None:
    assert (
        "archive has no dead letters" in installation.command("deliveries", "resend", "--destination", "archive").stdout
    )
    assert installation.command("deliveries", "resend", "--destination", "pacs").stdout.startswith("1 delivery is due")


def test_what_cannot_be_resent_is_said(installation: Installation, dead: int) -> None:
    for arguments in ((), (str(dead), "--destination", "pacs")):
        refused = installation.command("deliveries", "resend", *arguments)
        assert refused.stderr.strip() == "error: name deliveries by number, or one --destination"
    assert "no delivery has the number 4711" in installation.command("deliveries", "show", "4711").stderr


def test_doctor_tells_of_dead_letters_and_of_a_destination_that_is_away(installation: Installation, dead: int) -> None:
    said = installation.command("doctor").stdout
    (line,) = [line for line in said.splitlines() if " deliveries: " in line]
    assert line.startswith("WARN")
    assert "pacs has refused 1 for good" in line
    assert "1 wait for archive (ARCHIVE at archive:104" in line


def test_the_list_of_studies_says_what_one_waits_for(installation: Installation, dead: int) -> None:
    said = installation.command("studies", "--state", "reported").stdout
    assert "archive: ARCHIVE at archive:104: connection refused" in said
    assert "echoworker deliveries resend" in installation.command("studies", "--state", "failed").stdout
