"""Values by a lesser method, which give way to another of the same text: one plane, or one dimension, to two planes."""

from collections.abc import Sequence

from worker.consistency.statements import Statement
from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.written_numbers import Number


def is_by_lesser(number: Number, clauses: Clauses) -> bool:
    """ "A4C 62 %", "62 % (A4C)", "EF (Teich) 68 %": the method stands before the value, or ends what is behind it."""
    clause = clauses.clause_of(number.first)
    same = [each for each in clauses.values.numbers if clauses.clause_of(each.first) == clause]
    last = max((each.last for each in same if each.last < number.first), default=-1)
    is_last = same[-1] is number
    bracket = clause + 1
    is_bracket = clauses.boundaries[bracket : bracket + 1] == [Boundary.BRACKET]
    is_bare = not any(clauses.clause_of(each.first) == bracket for each in clauses.values.numbers)
    for mark in clauses.lesser_methods:
        where = clauses.clause_of(mark.first)
        if where == clause and (last < mark.last < number.first or (is_last and mark.first > number.last)):
            return True
        if where == bracket and is_bracket and is_bare and is_last:
            return True
    return False


def best_told(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Without the numbers that give way, where the report has another of that field and time."""
    told = {(each.field, each.when) for each in statements if each.quantity is not None and not each.gives_way}
    return tuple(each for each in statements if not (each.gives_way and (each.field, each.when) in told))
