"""Studies page by page: each once, whatever has the same time, and whatever comes meanwhile."""

from datetime import datetime, timedelta

from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.reading.study_pages import StudyFilter, study_page
from db.reading.worklist import Place
from db.session import Database
from tests.db.conftest import NOW, QUIET, Receive


def register(registry: Database, *instances: ReceivedInstance) -> None:
    with registry.write() as session:
        for instance in instances:
            register_instance(session, instance, QUIET)


def walked(registry: Database, limit: int, wanted: StudyFilter | None = None) -> list[list[str]]:
    pages: list[list[str]] = []
    place: Place | None = None
    while not pages or place is not None:
        with registry.read() as session:
            page = study_page(session, wanted or StudyFilter(), limit=limit, after=place)
        pages.append([study.study_instance_uid for study in page.studies])
        place = page.ends_at
    return pages


def test_each_comes_once_also_where_many_came_at_the_same_moment(registry: Database, received: Receive) -> None:
    register(registry, *(received(study=f"1.2.{number}", at=NOW) for number in range(1, 6)))
    assert walked(registry, 2) == [["1.2.5", "1.2.4"], ["1.2.3", "1.2.2"], ["1.2.1"]]
    assert walked(registry, 5) == [["1.2.5", "1.2.4", "1.2.3", "1.2.2", "1.2.1"]], "the last page knows that it is"


def test_a_study_that_comes_meanwhile_moves_no_other(registry: Database, received: Receive) -> None:
    register(registry, *(received(study=f"1.2.{number}", at=NOW + timedelta(minutes=number)) for number in range(1, 5)))
    with registry.read() as session:
        first = study_page(session, StudyFilter(), limit=2)
    register(registry, received(study="1.2.9", at=NOW + timedelta(hours=1)))
    with registry.read() as session:
        second = study_page(session, StudyFilter(), limit=2, after=first.ends_at)
    assert [study.study_instance_uid for study in second.studies] == ["1.2.2", "1.2.1"]


def test_they_are_chosen_by_time_state_and_patient(registry: Database, received: Receive) -> None:
    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    register(registry, *(received(study=f"1.2.{number}", at=at(number)) for number in range(1, 4)))
    assert walked(registry, 9, StudyFilter(since=at(2))) == [["1.2.3", "1.2.2"]]
    assert walked(registry, 9, StudyFilter(until=at(2))) == [["1.2.2", "1.2.1"]]
    assert walked(registry, 9, StudyFilter(state="FAILED")) == [[]]
    assert walked(registry, 9, StudyFilter(patient_id="1", since=at(3))) == [["1.2.3"]]
    assert walked(registry, 9, StudyFilter(patient_id="2")) == [[]]
    assert walked(registry, 9, StudyFilter(accession_number="1")) == [[]]
