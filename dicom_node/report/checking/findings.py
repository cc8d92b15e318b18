"""What a rule finds, and what a rule is: a function from a document to findings, with the place that it comes from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from dicom_node.report.checking.document import Document, in_a_line


class Level(StrEnum):
    """How bad it is."""

    FAULT = "FAULT"
    """The standard does not allow it, or a reader would take something for what it is not."""
    WARN = "WARN"
    """Allowed, or nothing that we can judge; but readers stumble over it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `said` quotes codes, UIDs and names of attributes, and never text or names of people."""

    path: str
    """The content item, or the attribute of the header, in words."""
    said: str
    level: Level = Level.FAULT
    rule: str = ""
    source: str = ""


Look = Callable[[Document], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One idea of what is right. Calling it gives the findings, stamped with its name and source."""

    name: str
    source: str
    """Part, section and row of the DICOM standard, or whoever else asks for it."""
    measurement_reports_alone: bool
    look: Look

    def __call__(self, document: Document) -> Iterator[Finding]:
        """Its findings; none in a document of a template that it does not speak of."""
        if self.measurement_reports_alone and not document.is_measurement_report:
            return
        for finding in self.look(document):
            yield replace(finding, said=in_a_line(finding.said), rule=self.name, source=self.source)


def rule(source: str, *, measurement_reports_alone: bool = False) -> Callable[[Look], Rule]:
    """Make a rule of a function that looks at a document; the rule has its name."""

    def make(look: Look) -> Rule:
        return Rule(
            name=look.__name__,
            source=source,
            measurement_reports_alone=measurement_reports_alone,
            look=look,
        )

    return make
