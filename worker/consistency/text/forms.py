"""What stands behind a name, and ends it: "Pacemaker: no", "severe stenosis is excluded", or nothing at all."""

from worker.consistency.text.binding import SEPARATORS
from worker.consistency.text.clauses import Clauses
from worker.consistency.text.fields import Category
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention
from worker.consistency.text.tokens import Sort
from worker.consistency.text.values import Grade
from worker.consistency.text.vocabulary import Mark

_DENIALS = {Cue.NEGATION_BEFORE, Cue.NEGATION_AFTER}


def answer_to(mention: Mention, clauses: Clauses) -> list[str] | None:
    """All that stands behind the name and its sign; None where no sign stands behind the name."""
    behind = clauses.tokens[mention.last + 1 :]
    if not behind or behind[0].text not in SEPARATORS:
        return None
    return [token.text for token in behind[1:] if token.text not in SEPARATORS and token.text != "."]


def is_left_open(mention: Mention, clauses: Clauses) -> bool:
    """ "Pacemaker:", "Pacemaker: -", "Pacemaker: ___", "Pacemaker: yes/no", "MR: none / mild / moderate / severe"."""
    is_graded = mention.concept.category is not Category.DEVICE
    if is_graded and any(mention.last < first for first, _ in clauses.values.choices):
        return True
    answer = answer_to(mention, clauses)
    if answer is None:
        return False
    if len(answer) != 3 or answer[1] != "/":
        return all(token.sort is Sort.SIGN for token in clauses.tokens[mention.last + 1 :])
    behind = [at for at in range(mention.last + 1, len(clauses.tokens)) if clauses.tokens[at].sort is Sort.WORD]
    marks = [clauses.begins.get(at) for at in behind]
    is_denied = any(mark is not None and bool(mark.cues & _DENIALS) for mark in marks)
    return len(behind) == 2 and (is_denied or all(len(word) == 1 for word in answer))


def is_denied_behind(grade: Grade, mention: Mention, clauses: Clauses) -> bool:
    """ "Severe TR is not present": what is missing is the severe one. The denial ends the clause, and nothing but small
    words stand before it: "severe MR, surgery declined" is severe."""
    at = mention.last + 1
    mark = clauses.begins.get(at)
    while at < len(clauses.tokens) and clauses.is_small_word(at) and not _denies_behind(mark):
        at += 1
        mark = clauses.begins.get(at)
    is_before = grade.first < mention.last and clauses.are_together(grade.first, mention.last)
    if mark is None or not is_before or mark.degree is not None or not clauses.are_together(at, mention.last):
        return False
    return _denies_behind(mark) and clauses.is_last_of_clause(mark)


def _denies_behind(mark: Mark | None) -> bool:
    return mark is not None and Cue.NEGATION_AFTER in mark.cues
