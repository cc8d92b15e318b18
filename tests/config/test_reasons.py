"""Reasons: a text to whoever does not care, and what it is made of to a report in another language."""

import json
from copy import deepcopy
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.reasons import Filling, Named, Reason, ReasonKind, reason_of, terms_of

NAMED = st.builds(
    Named,
    of=st.sampled_from(["task", "view", "outcome", "verdict"]),
    id=st.text(max_size=8),
    name=st.text(max_size=8),
    within=st.none() | st.text(max_size=8),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000)


def fields_of(kind: ReasonKind) -> list[tuple[str, str]]:
    return [(name, spec or "") for _, name, spec, _ in Formatter().parse(kind.value) if name]


@st.composite
def reasons(draw: st.DrawFn, depth: int = 2) -> Reason:
    kind = draw(st.sampled_from(ReasonKind))
    plain: st.SearchStrategy[Filling] = st.text(max_size=8) | NUMBERS | NAMED
    inner = st.text(max_size=8) | NAMED
    if depth:
        inner = inner | reasons(depth=depth - 1)
        plain = plain | reasons(depth=depth - 1)
    anything = plain | st.lists(inner, max_size=3).map(tuple)
    return Reason(kind, **{name: draw(NUMBERS if spec else anything) for name, spec in fields_of(kind)})


@given(reasons())
def test_a_reason_comes_back_whole_from_its_text_and_its_terms(reason: Reason) -> None:
    kept = json.loads(json.dumps({"text": reason, "terms": terms_of(reason)}))
    back = reason_of(kept["text"], kept["terms"])
    assert isinstance(back, Reason)
    assert (back, back.kind, back.filled) == (str(reason), reason.kind, reason.filled)


def test_it_is_a_text_as_any_other() -> None:
    reason = Reason(ReasonKind.NO_HEART, view=Named("view", "lung", "lung or pleura"))
    assert reason == "the model sees no heart: most like lung or pleura"
    assert f"{reason}; {Reason(ReasonKind.STILL_IMAGE)}".endswith("pleura; a still image")
    copy = deepcopy(reason)
    assert isinstance(copy, Reason)
    assert (copy.kind, copy.filled) == (reason.kind, reason.filled)


def test_several_are_clauses_where_they_are_reasons_and_an_enumeration_where_they_are_names() -> None:
    views = (Named("view", "a", "view A"), Named("view", "b", "view B"))
    seen = tuple(Reason(ReasonKind.COUNTED, count=count, what=view) for count, view in zip((2, 1), views, strict=True))
    assert Reason(ReasonKind.NO_VIEW, views=views, seen=seen) == (
        "no clip shows a view that may answer this: view A, view B; seen: 2 × view A; 1 × view B"  # noqa: RUF001
    )


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a still image", None),
        ("a still image", {"kind": "OF_A_LATER_VERSION"}),
        ("a still image", {"kind": "NO_HEART"}),
        ("in the words of an earlier version", {"kind": "STILL_IMAGE"}),
    ],
    ids=["no terms", "unknown kind", "something is missing", "other words"],
)
def test_what_this_version_would_not_say_in_these_words_is_a_text_alone(text: str, terms: dict[str, str]) -> None:
    back = reason_of(text, terms)
    assert back == text
    assert not isinstance(back, Reason)


def test_a_reason_cannot_lack_what_its_words_need() -> None:
    with pytest.raises(KeyError, match="view"):
        Reason(ReasonKind.NO_HEART)
