"""What a statement says, in a few words, for tables and reports."""

from config.clinical_tasks import ClassTask
from dicom_node.report.answers import outcome_name
from worker.consistency.statements import Certainty, Quantity, Statement


def in_words(statement: Statement, task: ClassTask | None = None) -> str:
    """What a statement says, in a few words: "55 to 60 %", "mild to moderate", "absent"."""
    unsure = "possibly " if statement.certainty is Certainty.POSSIBLE else ""
    if statement.quantity is not None:
        return unsure + _quantity_in_words(statement.quantity)
    if statement.grade is not None:
        grades = [g for g in (statement.grade, statement.grade_to) if g is not None]
        return unsure + " to ".join(outcome_name(g, task) if task is not None else g for g in grades)
    return unsure + ("present" if statement.is_present else "absent")


def _quantity_in_words(quantity: Quantity) -> str:
    low, high = quantity.low, quantity.high
    unit = {"mm[Hg]": "mmHg"}.get(quantity.unit, quantity.unit)
    if low is not None and high is not None:
        number = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    else:
        number = f"above {low:g}" if low is not None else f"below {high:g}"
    return f"{number} {unit}".strip()
