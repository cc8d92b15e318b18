"""Whether words are said of a device, or of something at it: "no thrombus on the lead", "in place, wire removed"."""

from worker.consistency.text.binding import SEPARATORS
from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.fields import CATEGORIES, Category
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention
from worker.consistency.text.tokens import HYPHENS, Sort
from worker.consistency.text.vocabulary import Mark

_FAULTS = frozenset({"dysfunction", "function", "regurgitation", "stenosis"})


class AtDevice:
    """Of one sentence."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses

    def is_beside(self, mention: Mention, cue: Mark | None = None) -> bool:
        """A cue is of something at the device, which then is there: "no thrombus on the lead", "no lead fracture"."""
        if mention.concept.category is not Category.DEVICE:
            return False
        clauses = self._clauses
        if self._has_fault_behind(mention):
            return True
        start = clauses.tokens_in(mention.clause).start
        if cue is not None and clauses.clause_of(cue.first) == mention.clause:
            start = max(start, cue.last + 1)
        else:
            cue = None
        at = mention.first - 1
        while at >= start and self._is_passed_over(at):
            at -= 1
        mark = clauses.ends.get(at) if at >= start else None
        if mark is None:
            return False
        if Cue.LOCATED not in mark.cues:
            return _is_fault(mark) and at < mention.first - 1
        before = range(start, mark.first)
        is_first = all(clauses.is_small_word(each) for each in before)
        if is_first and cue is None and mention.clause > 0:
            # "No vegetation on the valve or on the lead"
            return clauses.boundaries[mention.clause] is Boundary.OR
        if any(clauses.tokens[each].sort is Sort.NUMBER for each in before):
            return True
        return any(clauses.is_unknown(each) or _may_be_missed(clauses.ends.get(each)) for each in before)

    def is_place_of_fault(self, mention: Mention) -> bool:
        """ "A thrombus on the lead was not seen"."""
        at = next((at for at, mark in self._clauses.ends.items() if Cue.LOCATED in mark.cues and
                   at < mention.first and self._clauses.clause_of(at) == mention.clause), None)  # fmt: skip
        named = any(
            _is_fault(mark)
            and at is not None
            and mark.last < at
            and self._clauses.clause_of(mark.last) == mention.clause
            for mark in self._clauses.marks
        )
        return named and self.is_beside(mention)

    def is_of_another(self, mention: Mention, cue: Mark) -> bool:
        """A cue behind it has a subject of its own: "in place, old lead removed", "lead: thrombus ruled out"."""
        clauses = self._clauses
        if clauses.clause_of(cue.first) == mention.clause:
            at = mention.last + 1
            while at < cue.first and clauses.tokens[at].text in SEPARATORS:
                at += 1
            fault = clauses.begins.get(at)
            if fault is not None and fault.is_other and fault.last < cue.first:
                return True
            # "Shows suspected dehiscence", and in German "zeigt keine Vegetationen": of what stands behind it.
            behind = cue.last + 1
            return _is_fault(clauses.begins.get(behind)) and clauses.clause_of(behind) == mention.clause
        start = clauses.tokens_in(clauses.clause_of(cue.first)).start
        named = any(clauses.is_unknown(at) or _names(clauses.begins.get(at)) for at in range(start, cue.first))
        # "Deferred tricuspid intervention"
        return named or _names(clauses.begins.get(cue.last + 1))

    def _has_fault_behind(self, mention: Mention) -> bool:
        """ "Lead fracture", "pacemaker-related regurgitation"."""
        clauses = self._clauses
        after = clauses.begins.get(mention.last + 1)
        if after is not None and _is_fault(after):
            return clauses.clause_of(after.first) == mention.clause
        at = mention.last + 1
        at += at < len(clauses.tokens) and clauses.tokens[at].text in HYPHENS
        cause = clauses.begins.get(at)
        return cause is not None and Cue.CAUSED in cause.cues and _may_be_missed(clauses.begins.get(cause.last + 1))

    def _is_passed_over(self, at: int) -> bool:
        """The "of the" of "on the leads of the pacemaker", and the leads."""
        mark = self._clauses.ends.get(at)
        if mark is not None and Cue.LOCATED in mark.cues:
            return False
        is_part = mark is not None and mark.attribute == "lead"
        return is_part or self._clauses.is_small_word(at)


def _is_fault(mark: Mark | None) -> bool:
    """Something that a device can have: "leak", "dysfunction"."""
    return mark is not None and (mark.is_other or mark.attribute in _FAULTS)


def _may_be_missed(mark: Mark | None) -> bool:
    """What a negation in front of it is about: "no need for a pacemaker after TAVR", "no effusion after it"."""
    return mark is not None and (_is_fault(mark) or mark.attribute in CATEGORIES or bool(mark.concepts))


def _names(mark: Mark | None) -> bool:
    return mark is not None and (bool(mark.structures) or mark.attribute is not None or mark.is_other)
