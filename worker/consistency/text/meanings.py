"""What a word means by what stands beside it: "EF" of which chamber, "Sapien" at which valve, "PHT" of what."""

from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.fields import CONCEPTS, NOTHING, Concept
from worker.consistency.text.tokens import HYPHENS, Sort
from worker.consistency.text.vocabulary import Mark

_OTHER_CHAMBERS = frozenset({"rv", "la", "ra"})
_NEAR = 3
"""Tokens between "EF" and the chamber, as in "EF of the RV"."""
_PROSTHESES = {"mitral": "mitral_prosthesis", "tricuspid": "tricuspid_prosthesis"}


def concept_of(name: str, mark: Mark, clauses: Clauses) -> Concept:
    """The concept that a mark names by this name."""
    if name == "ejection_fraction" and _is_of_another_chamber(mark, clauses):
        return NOTHING
    if name == "pulmonary_hypertension" and _is_time(mark, clauses):
        return NOTHING
    if name == "transcatheter_valve":
        return _at_its_valve(mark, clauses)
    return CONCEPTS[name]


def _is_of_another_chamber(mark: Mark, clauses: Clauses) -> bool:
    """ "RV EF 40 %", "EF of the left atrium", "right ventricle: dilated, EF 38 %", "RV function poor with EF 35 %"."""
    chambers = [each for each in clauses.marks if each.structures and set(each.structures) <= {*_OTHER_CHAMBERS, "lv"}]
    others = [each for each in chambers if "lv" not in each.structures]
    clause = clauses.clause_of(mark.first)
    if any(clauses.clause_of(each.first) == clause and _is_beside(mark, each, clauses) for each in others):
        return True
    if len(others) < len(chambers) or any("lvef" in each.concepts for each in clauses.marks):
        return False
    topic = set(clauses.passage.topic)
    if topic and topic <= _OTHER_CHAMBERS and clauses.tokens[0].lines > 0:
        return True
    if clauses.marks[0] in others and clauses.tokens[clauses.marks[0].last + 1].text == ":":
        return True
    functions = [each for each in clauses.marks if each.attribute in ("function", "dysfunction")]
    is_function = any(clauses.clause_of(each.first) == clause - 1 for each in functions)
    named = any(clauses.clause_of(each.first) == clause - 1 for each in others)
    return clauses.boundaries[clause] is Boundary.WITH and is_function and named


def _is_beside(mark: Mark, chamber: Mark, clauses: Clauses) -> bool:
    """Nothing but small words stands between them; before the word, also what says how: "RV 3D EF"."""
    is_before = chamber.last < mark.first
    between = range(chamber.last + 1, mark.first) if is_before else range(mark.last + 1, chamber.first)
    if len(between) > _NEAR:
        return False
    for at in between:
        token = clauses.tokens[at]
        is_small = clauses.is_small_word(at) or token.text in HYPHENS
        is_method = is_before and token.sort is Sort.WORD and clauses.is_unknown(at)
        if not (is_small or is_method):
            return False
    return True


def _is_time(mark: Mark, clauses: Clauses) -> bool:
    """The pressure half-time of "PHT 350 ms"."""
    value = next((each for each in clauses.values.numbers if each.first > mark.last), None)
    return value is not None and value.unit == "ms" and value.first <= mark.last + _NEAR


def _at_its_valve(mark: Mark, clauses: Clauses) -> Concept:
    """ "Sapien 3 in the mitral position", "TMVR with a 29 mm Sapien 3"; else at the aortic valve."""
    clause = clauses.clause_of(mark.first)
    near = [each for each in clauses.marks if clauses.clause_of(each.first) == clause]
    for each in near:
        for structure in each.structures:
            if structure in _PROSTHESES:
                return CONCEPTS[_PROSTHESES[structure]]
            if structure == "pulmonary":
                return NOTHING
    if clauses.boundaries[clause] is Boundary.WITH:
        near += [each for each in clauses.marks if clauses.clause_of(each.first) == clause - 1]
    named = [name for each in near for name in each.concepts if name in _PROSTHESES.values()]
    return CONCEPTS[named[0]] if named else CONCEPTS["transcatheter_valve"]
