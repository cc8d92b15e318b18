"""What checks found: once each, beside what earlier runs did, and with what people said of it."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.catalogue import load_catalogue
from config.errors import RegistryError, StudyNotFoundError
from db.consistency.discordance_review import (
    ListedDiscordance,
    discordance_detail,
    list_discordances,
    precision_by_rule,
    review_discordance,
    reviews_of,
)
from db.consistency.discordance_rows import record_check, told_of
from db.consistency.discordances import MODEL, Check, Discordance, ReviewState, Severity, Side, SideKind, Told
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.results.recording import append_run
from db.session import Database
from db.tables.studies import Study
from tests.support.reported import last_check
from tests.support.results import run_of

CATALOGUE = load_catalogue()
REPORT = "1.2.3.4"
Receive = Callable[..., ReceivedInstance]


def discordance(
    field: str = "lvef", *, said: str = "55 %", rule: str = "lvef-differs", severity: Severity = Severity.MAJOR
) -> Discordance:
    reported = Side(kind=SideKind.TEXT, source=REPORT, said=said, start=3, end=9)
    images = Side(kind=SideKind.IMAGES, source=MODEL, said="30.0 %", clips=("1.2.5", "1.2.6"))
    return Discordance(
        rule=rule, rules_version="1", field=field, severity=severity, sides=(reported, images), confidence=0.9
    )


def check(*found: Discordance) -> Check:
    told = Told(compared=1, questions=("lvef",), discordances=found)
    return Check(rules_version="1", reports=(REPORT,), notes=("a note",), discordances=found, told=told)


class Study1:
    """One study, with runs that checks are made of."""

    def __init__(self, registry: Database, received: Receive, now: datetime) -> None:
        self._registry, self._now = registry, now
        with registry.write() as session:
            register_instance(session, received(study="1.2.1"), timedelta(seconds=30))
            self.id = session.scalars(select(Study.id)).one()

    def run(self) -> str:
        run = replace(run_of(CATALOGUE, (), run_uid=str(uuid.uuid4())), study_instance_uid="1.2.1")
        with self._registry.write() as session:
            append_run(session, study_id=self.id, run=run, units={})
        return run.run_uid

    def check(self, run_uid: str, *found: Discordance, is_told: bool = False) -> int:
        with self._registry.write() as session:
            return record_check(
                session, study_id=self.id, run_uid=run_uid, check=check(*found), at=self._now, is_told=is_told
            )

    def listed(self, *, include_closed: bool = False) -> list[ListedDiscordance]:
        with self._registry.read() as session:
            return list_discordances(session, study_instance_uid="1.2.1", include_closed=include_closed)

    def review(self, number: int, state: ReviewState, reason: str | None = None, by: str = "Reader") -> None:
        with self._registry.write() as session:
            review_discordance(session, number, state=state, by=by, reason=reason, at=self._now)

    def said_of(self, number: int) -> list[tuple[str, str, str | None]]:
        with self._registry.read() as session:
            return [(one.by, one.state, one.reason) for one in reviews_of(session, [number]).get(number, [])]


@pytest.fixture
def study(registry: Database, received: Receive, now: datetime) -> Study1:
    return Study1(registry, received, now)


def test_both_sides_come_back_as_they_were_found_and_the_worst_first(study: Study1) -> None:
    minor = discordance("tavr", rule="device-in-report-only", said="present", severity=Severity.MINOR)
    assert study.check(study.run(), discordance(), minor) == 2
    first, second = study.listed()
    assert (first.found, second.found) == (discordance(), minor)
    assert first.is_open
    assert first.model == "Some model 3 (RESEARCH)"


def test_the_same_check_twice_makes_nothing_new(study: Study1) -> None:
    run = study.run()
    assert study.check(run, discordance()) == 1
    (before,) = study.listed()
    assert study.check(run, discordance()) == 0
    assert study.listed() == [before]


def test_what_is_not_found_any_more_is_superseded_and_comes_back_when_it_is(study: Study1) -> None:
    run = study.run()
    study.check(run, discordance())
    study.check(run)
    assert study.listed() == []
    assert study.listed(include_closed=True)[0].superseded_at is not None
    assert study.check(run, discordance()) == 0
    assert len(study.listed()) == 1


@pytest.mark.parametrize("state", [ReviewState.CONFIRMED, ReviewState.DISMISSED])
def test_what_somebody_said_of_it_is_kept_where_a_later_run_finds_the_same(study: Study1, state: ReviewState) -> None:
    study.check(study.run(), discordance())
    study.review(study.listed()[0].id, state, "looked at both")
    assert study.check(study.run(), discordance()) == 0
    assert study.listed() == []
    latest, earlier = study.listed(include_closed=True)
    assert (latest.state, latest.reviewed_by, latest.review_reason) == (state, "Reader", "looked at both")
    assert latest.superseded_at is None
    assert earlier.superseded_at is not None


def test_other_values_are_another_thing_to_look_at(study: Study1) -> None:
    study.check(study.run(), discordance())
    study.review(study.listed()[0].id, ReviewState.DISMISSED, "a typing error")
    assert study.check(study.run(), discordance(said="60 %")) == 1
    assert [one.state for one in study.listed()] == [ReviewState.NEW]


def test_every_word_is_kept_with_its_reason_the_last_one_first(study: Study1) -> None:
    study.check(study.run(), discordance())
    (found,) = study.listed()
    assert study.said_of(found.id) == []
    study.review(found.id, ReviewState.DISMISSED, "misread", by="A. Reader")
    study.review(found.id, ReviewState.CONFIRMED, by="B. Reader")
    said = [("B. Reader", "CONFIRMED", None), ("A. Reader", "DISMISSED", "misread")]
    assert study.said_of(found.id) == said
    study.check(study.run(), discordance())
    (again,) = study.listed(include_closed=True)[:1]
    assert again.id != found.id
    assert study.said_of(again.id) == said, "of the same two sides"
    study.check(study.run(), discordance(said="60 %"))
    (other,) = study.listed()
    assert study.said_of(other.id) == [], "of another value nobody has said anything"


def test_precision_counts_the_last_word_on_each(registry: Database, study: Study1) -> None:
    study.check(study.run(), discordance(), discordance("tavr", rule="device-in-report-only"))
    by_rule = {one.found.rule: one.id for one in study.listed()}
    study.review(by_rule["lvef-differs"], ReviewState.DISMISSED, "not so")
    study.check(study.run(), discordance(), discordance("tavr", rule="device-in-report-only"))
    again = next(one for one in study.listed(include_closed=True) if one.found.rule == "lvef-differs")
    study.review(again.id, ReviewState.CONFIRMED)  # after all
    with registry.read() as session:
        device, number = precision_by_rule(session)
    assert (number.rule, number.confirmed, number.dismissed, number.precision) == ("lvef-differs", 1, 0, 1.0)
    assert (device.new, device.precision) == (1, None)


def test_a_dismissal_needs_a_reason_and_every_review_a_name(registry: Database, study: Study1, now: datetime) -> None:
    study.check(study.run(), discordance())
    number = study.listed()[0].id
    for refused in (
        {"state": ReviewState.DISMISSED, "by": "Reader", "reason": " "},
        {"state": ReviewState.CONFIRMED, "by": " ", "reason": None},
        {"state": ReviewState.CONFIRMED, "by": "x" * 65, "reason": None},
    ):
        with registry.write() as session, pytest.raises(RegistryError):
            review_discordance(session, number, at=now, **refused)
    with registry.write() as session, pytest.raises(RegistryError, match="no discordance has the number 99"):
        review_discordance(session, 99, state=ReviewState.CONFIRMED, by="Reader", reason=None, at=now)
    with registry.read() as session:
        assert discordance_detail(session, number).state is ReviewState.NEW
        with pytest.raises(RegistryError, match="no discordance has the number 99"):
            discordance_detail(session, 99)
        with pytest.raises(StudyNotFoundError):
            list_discordances(session, study_instance_uid="1.2.99")


def test_what_a_report_says_is_written_once(registry: Database, study: Study1) -> None:
    run, another = study.run(), study.run()
    study.check(run, discordance(), is_told=True)
    study.check(run, discordance(said="60 %"))
    with registry.read() as session:
        assert told_of(session, run) == Told(compared=1, questions=("lvef",), discordances=(discordance(),))
        last = last_check(session, run)
        assert last is not None
        assert (last.reports, last.notes) == ([REPORT], ["a note"])
        assert told_of(session, another) is None
