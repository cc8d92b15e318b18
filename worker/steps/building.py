"""The objects of one run, built from what is kept of it; nothing is written here."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from io import BytesIO

from pydicom.dataset import Dataset, FileDataset

from config.catalogue import Catalogue
from config.errors import BucketAwayError, DamagedFileError, EchoWorkerError, ReportError
from config.languages import Language
from config.logs import place_of
from config.sections.report_objects import ReportObject
from db.consistency.discordances import Told
from db.reading.priors import earlier_values
from db.rescoring.rescored import counts_since
from db.results.reports import BuiltReport
from db.results.run_rows import run_of
from db.results.runs import Run
from db.tables.deliveries import Report
from db.tables.runs import RunRow
from dicom_node.header import read_image_header
from dicom_node.report.dating import in_zone_of
from dicom_node.report.document import build_structured_report, reference_to_report
from dicom_node.report.sources import report_sources
from worker.catalogues import catalogue_of_run
from worker.context import WorkerContext
from worker.pictures.headline import headline, trend_task
from worker.pictures.heat import Heat, WhyNoHeat, heat_path, read_heat
from worker.pictures.making import Pictures, why_no_heat_map
from worker.steps.stored_report import is_intact


@dataclass(frozen=True, kw_only=True)
class Built:
    """An object and its bytes, to be written and registered."""

    report: BuiltReport
    header: Dataset
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Building:
    """One run whose objects are to be built; the same each time, whoever does it."""

    context: WorkerContext
    study_id: int
    run: Run
    instances: Mapping[str, str]
    """The spool path of each instance of the study, by SOP Instance UID."""
    predecessor: Report | None
    language: Language
    told: Told | None = None
    """What the reports of the study say against the run, in this language."""

    def report(self, *, has_heat_map: bool) -> Built:
        """The Structured Report.

        Raises
        ------
        ReportError
            The results cannot be put into a report, or the catalogue or an instance is lost.
        """
        shown = headline(self.run.results, self.catalogue) if has_heat_map else None
        document = build_structured_report(
            self._dated,
            self.catalogue,
            self._evidence,
            predecessor=self._reference_to_predecessor(),
            language=self.language,
            illustrated=None if shown is None else shown.task_id,
            told=self.told,
        )
        file = BytesIO()
        document.save_as(file, enforce_file_format=True)
        return self._built(ReportObject.SR, document, file.getvalue())

    def heat_map(self) -> Built:
        """The heat map.

        Raises
        ------
        Exception
            There is none, or it cannot be drawn.
        """
        return self._built(ReportObject.HEAT_MAP, *self._pictures.heat_map())

    def page(self, report: Dataset, *, has_heat_map: bool) -> Built:
        """The page; `report` is the Structured Report that it says again, by its header.

        Raises
        ------
        Exception
            It cannot be built.
        """
        return self._built(ReportObject.PDF, *self._pictures.page(report, has_heat_map=has_heat_map))

    def header(self, sop_instance_uid: str, spool_path: str) -> FileDataset:
        """The header of a file of the spool, or what was kept of one whose pixels were removed.

        Raises
        ------
        ReportError
            It is lost.
        """
        try:
            return read_image_header(self.context.spool.with_header(spool_path))
        except FileNotFoundError as error:
            raise ReportError(
                f"instance {sop_instance_uid} is missing from the spool ({spool_path}): put its file back, then requeue"
            ) from error

    def _reference_to_predecessor(self) -> Dataset | None:
        """By its file; by what the registry knows of it where that is gone: it was delivered all the same."""
        before = self.predecessor
        if before is None:
            return None
        if is_intact(self.context, before):  # an earlier version may have named its series otherwise
            return self.header(before.sop_instance_uid, before.spool_path)
        with self.context.database.read() as session:
            run = run_of(session.get_one(RunRow, before.run_id), self.run.study_instance_uid)
        return reference_to_report(
            run,
            sop_class_uid=before.sop_class_uid,
            sop_instance_uid=before.sop_instance_uid,
            language=Language(before.language),
        )

    @property
    def why_no_heat(self) -> str | None:
        """Why the run has no heat maps, in a sentence; None where it has some."""
        return None if isinstance(self._heat, Heat) else why_no_heat_map(self._heat)

    @cached_property
    def _heat(self) -> Heat | WhyNoHeat:
        root, run = self.context.spool.root, self.run
        kept = heat_path(root, study_instance_uid=run.study_instance_uid, run_uid=run.scored_as)
        file = self.context.spool.file(self.context.spool.relative(kept))
        try:
            return read_heat(file)
        except DamagedFileError:
            return WhyNoHeat.DAMAGED

    @cached_property
    def catalogue(self) -> Catalogue:
        """That of the run.

        Raises
        ------
        ReportError
            It is lost.
        """
        return catalogue_of_run(self.context.spool, self.run.catalogue_digest, self.context.catalogue)

    @cached_property
    def _evidence(self) -> list[FileDataset]:
        used = [clip.sop_instance_uid for clip in self.run.clips]
        return [self.header(uid, self.instances[uid]) for uid in used]

    @cached_property
    def _dated(self) -> Run:
        """The run with the time of its end as its objects say it, wherever they are built."""
        zone = self.context.settings.report.time_zone
        run = replace(self.run, finished_at=self.run.finished_at.astimezone(zone))
        return in_zone_of(run, report_sources(self._evidence)[0]) if self._evidence else run

    @cached_property
    def _pictures(self) -> Pictures:
        run, spool = self.run, self.context.spool
        shown_over_the_years = trend_task(run.results, self.catalogue)
        earlier = []
        if shown_over_the_years is not None:
            with self.context.database.read() as session:
                earlier = earlier_values(
                    session,
                    study_id=self.study_id,
                    task_id=shown_over_the_years.id,
                    model=run.model,
                    until=counts_since(session, run),
                )
        return Pictures(
            run=self._dated,
            catalogue=self.catalogue,
            evidence=self._evidence,
            files={uid: partial(spool.file, path) for uid, path in self.instances.items()},
            heat=self._heat,
            earlier=earlier,
            language=self.language,
            told=self.told,
        )

    def _built(self, kind: ReportObject, made: Dataset, content: bytes) -> Built:
        path = self.context.spool.report_path(self.run.study_instance_uid, made.SOPInstanceUID)
        report = BuiltReport(
            kind=kind,
            sop_instance_uid=made.SOPInstanceUID,
            sop_class_uid=made.SOPClassUID,
            spool_path=self.context.spool.relative(path),
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=self.run.finished_at,
            language=self.language,
        )
        return Built(report=report, header=made, content=content)


def built_or_why(build: Callable[[], Built]) -> Built | str:
    """A picture; or in words free of PHI why there is none, which stops no report."""
    try:
        return build()
    except BucketAwayError:  # it can be had later, and a report is built once
        raise
    except EchoWorkerError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  a library's trouble with one clip is no reason to keep the answers back
        return place_of(error)
