"""A report as it was read: its text, what that says, and what of it could not be read."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from pydicom.dataset import Dataset

from config.errors import UnreadableReportError
from config.languages import Language
from worker.consistency.comparing.comparison import Reported
from worker.consistency.documents.files import read_report_file
from worker.consistency.documents.kinds import ReportKind
from worker.consistency.documents.objects import kind_of_report, read_pdf, read_report_document
from worker.consistency.documents.plain_text import text_in
from worker.consistency.documents.readable_text import cut
from worker.consistency.hl7.parsing import messages_in
from worker.consistency.hl7.reports import ResultStatus, read_hl7_reports
from worker.consistency.sr.measurement_report import read_measurement_report
from worker.consistency.sr.tree import instance_name, text_of
from worker.consistency.statements import SourceKind, Statement, When
from worker.consistency.text.extraction import extract
from worker.consistency.text.lexicon import Lexicon, load_lexicons
from worker.consistency.text.methods import best_told
from worker.consistency.text.other_languages import is_in_another_language
from worker.consistency.text.vocabulary import Vocabulary, most_likely

_OF_OTHER_TIMES = "all that the text says is read as earlier or planned: nothing of it was compared with the images"
_IN_ANOTHER_LANGUAGE = (
    "the text is in a language that there are no words for ({known} are known): nothing was read of it; "
    "consistency.lexicons adds words"
)


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """One report with the text that its statements point into."""

    reported: Reported
    text: str = field(repr=False)
    """Of a machine's report, one that was made of it. PHI: shown to who asks for it, never logged or kept."""
    notes: tuple[str, ...] = ()
    """What was left out; free of what the report says."""

    def words_of(self, start: int, end: int) -> str:
        """What stands there, on one line."""
        return " ".join(self.text[start:end].split())


class ReportReader:
    """Reads reports by the words of the lexicons: text in whichever of their languages fits it best."""

    def __init__(self, own_lexicons: Sequence[Path] = (), *, language: Language = Language.ENGLISH) -> None:
        """Check the hospital's own files at once; the bundled ones are read when they are first needed.

        Parameters
        ----------
        own_lexicons
            The hospital's own files.
        language
            Of a text that fits several equally well, as one of nothing but abbreviations does.

        Raises
        ------
        ConfigurationError
            One of them is missing, or has a mistake.
        """
        self._own = tuple(own_lexicons)
        self._language = language
        self._lexicons: dict[str, Lexicon] | None = load_lexicons(self._own) if self._own else None

    @cached_property
    def _vocabularies(self) -> list[Vocabulary]:
        lexicons = load_lexicons() if self._lexicons is None else self._lexicons
        return [Vocabulary(lexicon) for lexicon in lexicons.values()]

    def text(
        self, report_id: str, text: str, notes: Sequence[str] = (), *, study_day: date | None = None
    ) -> ReadReport:
        """Read what somebody wrote; `study_day`: of the study that it is about, as far as the report says."""
        text, is_cut = cut(text)
        vocabulary = most_likely(text, self._vocabularies, self._language)
        is_foreign = is_in_another_language(text, vocabulary)
        statements = () if is_foreign else best_told(extract(text, vocabulary, study_day=study_day))
        reported = Reported(id=report_id, kind=SourceKind.TEXT_REPORT, statements=statements)
        of_other_times = [_OF_OTHER_TIMES] if statements and not any(map(_is_current, statements)) else []
        foreign = (
            [_IN_ANOTHER_LANGUAGE.format(known=", ".join(sorted(each.language for each in self._vocabularies)))]
            if is_foreign
            else []
        )
        return ReadReport(reported=reported, text=text, notes=(*notes, *is_cut, *foreign, *of_other_times))

    def instance(self, dataset: Dataset, our_instances: Container[str] = frozenset()) -> ReadReport | None:
        """Read a Structured Report or an Encapsulated PDF; None for what is no report, and for what is ours.

        Raises
        ------
        UnreadableReportError
            It cannot be read.
        """
        kind, name = kind_of_report(dataset, our_instances), instance_name(dataset)
        if kind is None:
            return None
        if kind is SourceKind.MEASUREMENT_REPORT:
            measured = read_measurement_report(dataset)
            reported = Reported(id=name, kind=kind, statements=measured.statements)
            return ReadReport(reported=reported, text=measured.text, notes=measured.notes)
        document = read_report_document(dataset, our_instances)
        return self.text(name, document.text, document.notes, study_day=_day(text_of(dataset, "StudyDate")))

    def file(self, path: Path) -> list[ReadReport]:
        """Read the reports of a file: HL7 (.hl7), DICOM, PDF or text, the last three by what is in them.

        Raises
        ------
        UnreadableReportError
            There is none in it.
        OSError
            It cannot be opened.
        """
        content = path.read_bytes()
        kind = ReportKind.of(content)
        if kind is ReportKind.DICOM:
            return [self._dicom(path)]
        if kind is ReportKind.HL7 or path.suffix.lower() == ".hl7":
            return self._hl7(path.name, content)
        if kind is ReportKind.PDF:
            document = read_pdf(content)
            return [self.text(path.name, document.text, document.notes)]
        return [self.text(path.name, text_in(content))]

    def _dicom(self, path: Path) -> ReadReport:
        read = self.instance(read_report_file(path))
        if read is None:
            raise UnreadableReportError(f"{path}: no Structured Report or PDF with a report, or one of ours")
        return read

    def _hl7(self, name: str, content: bytes) -> list[ReadReport]:
        reports = [report for message in messages_in(content) for report in read_hl7_reports(message)]
        read = [
            self.text(f"{name}#{number}", report.text, report.notes, study_day=report.study_day)
            for number, report in enumerate(reports, start=1)
            if report.status is not ResultStatus.CANCELLED
        ]
        if not read:
            raise UnreadableReportError(f"{name}: no HL7 message with a report, or one that was cancelled")
        return read


class TextReader(ReportReader):
    """Reads the words of reports for people, and nothing out of them: no lexicons are needed, which load slowly."""

    def text(
        self, report_id: str, text: str, notes: Sequence[str] = (), *, study_day: date | None = None
    ) -> ReadReport:
        """What somebody wrote, without statements; the same text as `ReportReader` has, whose places fit it."""
        text, _ = cut(text)
        reported = Reported(id=report_id, kind=SourceKind.TEXT_REPORT, statements=())
        return ReadReport(reported=reported, text=text, notes=tuple(notes))


def _day(value: str) -> date | None:
    """Of a DICOM DA value."""
    try:
        return datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007  a day, of no time zone
    except ValueError:
        return None


def _is_current(statement: Statement) -> bool:
    return statement.when is When.CURRENT
