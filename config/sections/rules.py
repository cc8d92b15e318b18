"""Routing rules: which of the instances that arrive are scored, which are only kept, and which go on to other peers.

The first rule that fits decides. Without one an instance is scored, and forwarded nowhere.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from config.sections.peers import AETitle, PeerSettings, Role
from config.steps import Lane


class Action(StrEnum):
    """What this installation itself does with an instance."""

    SCORE = "score"
    STORE = "store"
    """It is kept and registered; no clip is made of it."""


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """All that rules look at. Descriptions are free text that may name the patient: never log or store them."""

    sop_class_uid: str
    modality: str | None = None
    calling_ae_title: str | None = None
    peers: frozenset[str] = frozenset()
    """The names of the configured peers that have this calling AE title."""
    series_description: str | None = field(default=None, repr=False)
    study_description: str | None = field(default=None, repr=False)
    station_name: str | None = field(default=None, repr=False)
    manufacturer_model: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of an instance; the defaults are what is done when no rule fits."""

    rule: str | None = None
    action: Action = Action.SCORE
    forward_to: tuple[str, ...] = ()
    """Names of peers."""
    lane: Lane = Lane.ROUTINE
    """Of the study: one instance that is STAT makes it so."""


NO_RULE = Decision()


def _sop_class_uid(named: str) -> str:
    if named.replace(".", "").isdigit():
        return named
    from pydicom._uid_dict import UID_dictionary  # noqa: PLC0415  only sites with such a rule wait for it

    for uid, (_, kind, _, _, keyword) in UID_dictionary.items():
        if keyword == named and kind == "SOP Class":
            return uid
    raise ValueError(f"{named} is neither a UID nor the keyword of a SOP class (PS3.6 annex A)")


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Several = Annotated[tuple[Text, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
SOPClasses = Annotated[
    tuple[Annotated[Text, AfterValidator(_sop_class_uid)], ...], BeforeValidator(_one_or_more), Field(min_length=1)
]
AETitles = Annotated[tuple[AETitle, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class RuleSettings(BaseModel):
    """One rule. Every condition that it names must hold; each is a list, of which one alternative is enough.

    An attribute that an instance does not have fits no alternative.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32)

    modality: Several = ()
    sop_class: SOPClasses = ()
    """UIDs; the site may write keywords."""
    calling_ae_title: AETitles = ()
    peer: Several = ()
    """Names of [[peers]]: the calling AE title is that of one of them."""
    series_description: Several = ()
    """Shell globs, as the other descriptions; upper and lower case are the same."""
    study_description: Several = ()
    station_name: Several = ()
    manufacturer_model: Several = ()

    action: Action = Action.SCORE
    forward_to: tuple[str, ...] = ()
    """Names of peers with the role forward."""
    priority: Literal["stat", "routine"] = "routine"
    """Of the whole study: `stat` goes ahead of all that wait, in every step."""

    @property
    def lane(self) -> Lane:
        """The lane of that priority."""
        return Lane[self.priority.upper()]

    def conditions(self) -> dict[str, tuple[str, ...]]:
        """The conditions that the rule names, with their alternatives, in the order in which they are looked at."""
        return {name: alternatives for name in _HOLDS if (alternatives := getattr(self, name))}

    def first_unmet(self, facts: InstanceFacts) -> str | None:
        """The first condition that does not hold; None when the rule fits."""
        return next((name for name, wanted in self.conditions().items() if not _HOLDS[name](facts, wanted)), None)


def decide(rules: Iterable[RuleSettings], facts: InstanceFacts) -> Decision:
    """What the first rule that fits says; an instance is never forwarded to where it came from."""
    for rule in rules:
        if rule.first_unmet(facts) is None:
            onward = tuple(peer for peer in rule.forward_to if peer not in facts.peers)
            return Decision(rule=rule.name, action=rule.action, forward_to=onward, lane=rule.lane)
    return NO_RULE


def check_rules(rules: Sequence[RuleSettings], peers: Sequence[PeerSettings]) -> None:
    """Whether the rules can be told apart, and name only peers that there are.

    Raises
    ------
    ValueError
        Two have one name, or a rule names a peer that is not configured or that nothing may be forwarded to.
    """
    names = [rule.name for rule in rules]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"rules: two have the name {twice[0]}")
    known = {peer.name: peer for peer in peers}
    for rule in rules:
        if unknown := [name for name in (*rule.peer, *rule.forward_to) if name not in known]:
            raise ValueError(f"rules: {rule.name} names {unknown[0]}, which is none of the peers")
        if closed := [name for name in rule.forward_to if Role.FORWARD not in known[name].roles]:
            raise ValueError(f'rules: {rule.name} forwards to {closed[0]}, a peer without the role "{Role.FORWARD}"')
        if len(set(rule.forward_to)) != len(rule.forward_to):
            raise ValueError(f"rules: {rule.name} forwards twice to one peer")


def _fits(text: str | None, globs: tuple[str, ...]) -> bool:
    return text is not None and any(fnmatchcase(text.lower(), glob.lower()) for glob in globs)


_Holds = Callable[[InstanceFacts, tuple[str, ...]], bool]
_HOLDS: dict[str, _Holds] = {
    "modality": lambda facts, wanted: facts.modality in wanted,
    "sop_class": lambda facts, wanted: facts.sop_class_uid in wanted,
    "calling_ae_title": lambda facts, wanted: facts.calling_ae_title in wanted,
    "peer": lambda facts, wanted: not facts.peers.isdisjoint(wanted),
    "series_description": lambda facts, wanted: _fits(facts.series_description, wanted),
    "study_description": lambda facts, wanted: _fits(facts.study_description, wanted),
    "station_name": lambda facts, wanted: _fits(facts.station_name, wanted),
    "manufacturer_model": lambda facts, wanted: _fits(facts.manufacturer_model, wanted),
}
FREE_TEXT = ("series_description", "study_description", "station_name", "manufacturer_model")
"""Conditions on attributes whose values may name the patient."""
