"""Routing rules: the first that fits decides, and a mistake in one is named at the start."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.errors import ConfigurationError
from config.sections.rules import NO_RULE, Action, InstanceFacts, RuleSettings, decide
from config.settings import load_settings
from config.steps import Lane

MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
WORDS = st.sampled_from(["Stress Echo", "stress", "Rest", "", "a[b", "*"])

facts = st.builds(
    InstanceFacts,
    sop_class_uid=st.sampled_from([MULTI_FRAME, "1.2.840.10008.5.1.4.1.1.88.33"]),
    modality=st.sampled_from(["US", "SR", None]),
    calling_ae_title=st.sampled_from(["ECHO1", "PACS", None]),
    peers=st.frozensets(st.sampled_from(["one", "two", "three"])),
    series_description=st.none() | WORDS,
    study_description=st.none() | WORDS,
    station_name=st.none() | WORDS,
    manufacturer_model=st.none() | WORDS,
)


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(values, min_size=1, max_size=2)


GLOBS = some(st.sampled_from(["*", "stress*", "*echo", "rest", "?tress"]))
CONDITIONS: dict[str, st.SearchStrategy[list[str]]] = {
    "modality": some(st.sampled_from(["US", "SR"])),
    "sop_class": some(st.sampled_from(["UltrasoundMultiFrameImageStorage", MULTI_FRAME])),
    "calling_ae_title": some(st.sampled_from(["ECHO1", "PACS"])),
    "peer": some(st.sampled_from(["one", "two"])),
    "series_description": GLOBS,
    "study_description": GLOBS,
    "station_name": GLOBS,
    "manufacturer_model": GLOBS,
}


@st.composite
def rules(draw: Callable[..., object]) -> list[RuleSettings]:
    bodies = draw(
        st.lists(
            st.fixed_dictionaries(
                {"action": st.sampled_from(Action), "forward_to": st.just(["one", "three"]) | st.just([])},
                optional=CONDITIONS,
            ),
            max_size=4,
        )
    )
    assert isinstance(bodies, list)
    return [RuleSettings(name=f"rule {number}", **body) for number, body in enumerate(bodies)]


@given(rules(), facts)
def test_the_first_rule_that_fits_decides_and_no_later_one(them: list[RuleSettings], about: InstanceFacts) -> None:
    alone = [decide([rule], about) for rule in them]
    fitting = [decision for decision in alone if decision.rule is not None]
    assert decide(them, about) == (fitting[0] if fitting else NO_RULE)


@given(rules(), rules(), facts)
def test_rules_behind_one_that_fits_change_nothing(
    them: list[RuleSettings], more: list[RuleSettings], about: InstanceFacts
) -> None:
    everything = RuleSettings(name="all", action=Action.STORE)
    assert decide([*them, everything, *more], about) == decide([*them, everything], about)


@given(rules(), facts, facts)
def test_what_no_rule_asks_about_does_not_matter(
    them: list[RuleSettings], one: InstanceFacts, other: InstanceFacts
) -> None:
    asked = {condition for rule in them for condition in rule.conditions()}
    field_of = {name: name for name in CONDITIONS} | {"sop_class": "sop_class_uid", "peer": "peers"}
    mixed = {field: getattr(one if name in asked else other, field) for name, field in field_of.items()}
    mixed["peers"] = one.peers  # never forwarded to where it came from: this always matters
    assert decide(them, InstanceFacts(**mixed)) == decide(them, one)


@given(rules(), facts)
def test_every_condition_that_a_rule_names_must_hold(them: list[RuleSettings], about: InstanceFacts) -> None:
    for rule in them:
        each = [
            RuleSettings(name="part", **{condition: wanted}).first_unmet(about)
            for condition, wanted in rule.conditions().items()
        ]
        assert rule.first_unmet(about) == next((condition for condition in each if condition), None)


@given(rules(), facts)
def test_nothing_is_forwarded_to_where_it_came_from(them: list[RuleSettings], about: InstanceFacts) -> None:
    assert about.peers.isdisjoint(decide(them, about).forward_to)


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("*stress*", "Dobutamine STRESS echo", True),
        ("stress", "stress echo", False),
        ("Vivid [ES]*", "VIVID E95", True),
        ("*", None, False),
        ("*", "two\nlines", True),
    ],
)
def test_descriptions_are_globs_of_either_case(glob: str, text: str | None, fits: bool) -> None:
    about = InstanceFacts(sop_class_uid=MULTI_FRAME, series_description=text)
    rule = RuleSettings(name="r", series_description=[glob])  # type: ignore[arg-type]
    assert (rule.first_unmet(about) is None) is fits


def test_a_sop_class_may_be_named_by_keyword_retired_ones_too() -> None:
    rule = RuleSettings(
        name="r", sop_class=["UltrasoundMultiFrameImageStorage", "UltrasoundImageStorageRetired", "1.2"]
    )  # type: ignore[arg-type]
    assert rule.sop_class == (MULTI_FRAME, "1.2.840.10008.5.1.4.1.1.6", "1.2")


def test_descriptions_are_not_in_the_text_of_facts() -> None:
    about = InstanceFacts(sop_class_uid="1.2", series_description="Doe^Jane", study_description="Doe^Jane")
    assert "Doe" not in repr(about)


def test_an_empty_list_of_alternatives_is_refused() -> None:
    with pytest.raises(ValidationError, match="modality"):
        RuleSettings(name="r", modality=[])  # type: ignore[arg-type]


PEER = '[[peers]]\nname = "{name}"\nae_title = "P"\nhost = "h"\nroles = ["{role}"]\n'


@pytest.mark.parametrize(
    ("site", "named"),
    [
        ('[[rules]]\nname="a"\n[[rules]]\nname="a"\n', "rules: two have the name a"),
        ('[[rules]]\nname="a"\npeer=["PACS"]\n', "rules: a names PACS, which is none of the peers"),
        ('[[rules]]\nname="a"\nforward_to=["PACS"]\n', "rules: a names PACS, which is none of the peers"),
        (
            PEER.format(name="PACS", role="destination") + '[[rules]]\nname="a"\nforward_to=["PACS"]\n',
            'a forwards to PACS, a peer without the role "forward"',
        ),
        (
            PEER.format(name="PACS", role="forward") + '[[rules]]\nname="a"\nforward_to=["PACS","PACS"]\n',
            "a forwards twice to one peer",
        ),
        ('[[peers]]\nname="A"\nae_title="X"\nroles=["forward"]\n', "host is needed to call a peer"),
        (
            '[[rules]]\nname="a"\nsop_class=["UltrasoundStorage"]\n',
            "sop_class.0: UltrasoundStorage is nei",
        ),
        ('[[rules]]\nname="a"\nsop_class=["VerificationSOPClasses"]\n', "is neither a UID nor the keyword"),
        ('[[rules]]\nname="a"\naction="drop"\n', "rules.0.action"),
        ('[[rules]]\nname="a"\nmodalty=["US"]\n', "rules.0.modalty"),
        ("[[rules]]\nmodality=['US']\n", "rules.0.name"),
    ],
)
def test_a_mistake_in_a_rule_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: str, named: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(site)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(file))
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert named in str(error.value)


def test_a_rule_says_how_urgent_a_study_is() -> None:
    stat = RuleSettings.model_validate({"name": "emergency", "station_name": ["ED*"], "priority": "stat"})
    facts = InstanceFacts(sop_class_uid=MULTI_FRAME, station_name="ED-2")
    assert decide([stat], facts).lane is Lane.STAT
    assert decide([stat], InstanceFacts(sop_class_uid=MULTI_FRAME)).lane is Lane.ROUTINE
    with pytest.raises(ValidationError):
        RuleSettings.model_validate({"name": "emergency", "priority": "at once"})
