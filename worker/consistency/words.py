"""What a statement says, in a few words, for tables and reports."""

from config.clinical_tasks import ClassTask
from dicom_node.report.answers import outcome_name
from dicom_node.report.words import ENGLISH, Words
from worker.consistency.statements import Certainty, Quantity, Statement


def in_words(statement: Statement, task: ClassTask | None = None, words: Words = ENGLISH) -> str:
    """What a statement says, in a few words: "55 to 60 %", "mild to moderate", "absent"."""
    said = _said(statement, task, words)
    return words.say("reported.possibly", said=said) if statement.certainty is Certainty.POSSIBLE else said


def _said(statement: Statement, task: ClassTask | None, words: Words) -> str:
    if statement.quantity is not None:
        return _quantity_in_words(statement.quantity, words)
    if statement.grade is not None:
        grades = [g for g in (statement.grade, statement.grade_to) if g is not None]
        names = [_grade_in_words(statement.field, grade, task, words) for grade in grades]
        return names[0] if len(names) == 1 else words.say("reported.range", low=names[0], high=names[1])
    return words.say(f"answer.{'PRESENT' if statement.is_present else 'ABSENT'}")


def _grade_in_words(field: str, grade: str, task: ClassTask | None, words: Words) -> str:
    """A class of its task; where that is none, the word that the language has for a grade of this field, or its id."""
    return words.texts.get(f"{field}.{grade}", grade) if task is None else outcome_name(grade, task, words)


def _quantity_in_words(quantity: Quantity, words: Words) -> str:
    low, high = (None if end is None else words.number(end, "g") for end in (quantity.low, quantity.high))
    unit = {"mm[Hg]": "mmHg", "1": ""}.get(quantity.unit, quantity.unit)
    if low is not None and high is not None:
        number = low if low == high else words.say("reported.range", low=low, high=high)
    else:
        number = (
            words.say("reported.above", number=low) if low is not None else words.say("reported.below", number=high)
        )
    return f"{number} {unit}".strip()
