"""What a report says about how, where and when something was measured (PS3.16 TID 5202, TID 5203, TID 5301 to 5303)."""

from collections.abc import Mapping

from worker.consistency.sr.codes import Concept, folded
from worker.consistency.sr.measured_fields import site_in
from worker.consistency.sr.tree import ContentItem

MODIFIERS = {
    ("SCT", "363698007"): "site",
    ("SCT", "399264008"): "mode",
    ("DCM", "111031"): "view",
    ("SCT", "370129005"): "method",
    ("SCT", "260674002"): "flow",
    ("SCT", "272518008"): "phase",
    ("SCT", "272517003"): "respiration",
    ("DCM", "121401"): "derivation",
    ("DCM", "121404"): "selection",
    ("LN", "18139-6"): "stage",
    ("DCM", "125203"): "protocol",
    ("DCM", "125305"): "observation",
    ("DCM", "125306"): "type",
    ("DCM", "125307"): "property",
    ("DCM", "125308"): "divisor",
}
"""The concept names that modify; whatever relationship they stand in, for machines mix these up."""
_BY_NAME = {
    "finding site": "site", "image mode": "mode", "image view": "view", "measurement method": "method",
    "flow direction": "flow", "cardiac cycle point": "phase", "cardiac phase": "phase", "derivation": "derivation",
    "selection status": "selection", "stage": "stage",
}  # fmt: skip
SHOWN = ("mode", "view", "stage", "flow", "method", "phase", "respiration", "derivation", "selection")
"""In this order in a line of text; the site is in front."""
SHORT_LABEL = ("DCM", "125309")
_GENERIC_CONTAINERS = {("DCM", "121070"), ("DCM", "125007"), ("LN", "59776-5")}
"""Findings, Measurement Group: their modifiers say what they are."""


def modifiers_of(item: ContentItem) -> dict[str, Concept]:
    """Those that stand directly below an item, the first of each kind; a text counts as its own meaning."""
    found: dict[str, Concept] = {}
    for child in item.children:
        if (kind := _kind(child)) is None:
            continue
        value = child.value or (Concept(value="", scheme="", meaning=child.text) if child.text else None)
        if value is not None and (value.value or value.meaning):
            found.setdefault(kind, value)
    return found


def label_of(item: ContentItem) -> str:
    """Its Short Label, "" where it has none."""
    labels = (c.text for c in item.children if c.value_type == "TEXT" and c.name and c.name.code == SHORT_LABEL)
    return next(labels, "")


def is_modifier(item: ContentItem) -> bool:
    """Whether it says something of the item above it, and nothing of its own."""
    return _kind(item) is not None or (item.name is not None and item.name.code == SHORT_LABEL)


def heading_of(container: ContentItem, own: Mapping[str, Concept]) -> str | None:
    """What a section is called in a path; None for one that only its modifiers tell apart."""
    if "site" in own:
        return str(own["site"])
    if container.name is None or container.name.code in _GENERIC_CONTAINERS:
        return None
    return str(container.name) or None


def site_of(container: ContentItem, own: Mapping[str, Concept]) -> Concept | None:
    """The finding site of a section; where it names none, the one that its heading is."""
    if "site" in own:
        return own["site"]
    return site_in(container.name.meaning) if container.name is not None else None


def _kind(item: ContentItem) -> str | None:
    if item.value_type not in {"CODE", "TEXT"} or item.name is None:
        return None
    for code in item.name.codes:
        if code in MODIFIERS:
            return MODIFIERS[code]
    return _BY_NAME.get(folded(item.name.meaning))
