"""The two sides of a discordance, in the words of the comparison."""

from dataclasses import replace

from config.clinical_tasks import ClassTask
from db.consistency.discordances import MODEL, Side, SideKind
from dicom_node.report.answers import brief
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.statements import Statement
from worker.consistency.words import in_words


def of_model(c: Comparison, field: str) -> Side:
    """What the model found."""
    result, task = c.found.results[field], c.catalogue.task(field)
    said = brief(result, task, c.words) if task is not None else str(result.verdict)
    clips = tuple(answer.sop_instance_uid for answer in result.clips)
    return Side(kind=SideKind.IMAGES, source=MODEL, said=said, clips=clips)


def of_statement(c: Comparison, report: Reported, statement: Statement, task: ClassTask | None = None) -> Side:
    """What a report says, and where."""
    return replace(of_report(report, in_words(statement, task, c.words)), start=statement.start, end=statement.end)


def of_report(report: Reported, said: str) -> Side:
    """What is to be said of a report as a whole."""
    return Side(kind=SideKind(report.kind.value), source=report.id, said=said)
