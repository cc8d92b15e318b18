"""A site's file that says only what differs from the bundled catalogue.

    extends = "bundled"
    remove = ["impella_position", "impella"]

    [[task]]
    id = "lvef"                                                  # of the bundled one: only these fields are replaced
    prompts = ["The ejection fraction is {value} %."]

Thresholds and cut points of the bundled one that were made with prompts which the file replaces are left out: whoever
changes the words gives thresholds that were made with them, or has none.

An id that the bundled catalogue does not have is a new entry, at the end. One that is removed and given again is new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

EXTENDS = "extends"
REMOVE = "remove"
BUNDLED = "bundled"
_KINDS = ("task", "view")
_WORDS = {
    "prompts": {"catalogue"},
    "classes": {"catalogue", "pack"},
    "published_as": {"pack"},
    "published_indices": {"pack"},
}
"""Fields that say which prompts a task has, and whose these are: what was made with such prompts holds no longer."""
_MADE_WITH_WORDS = ("thresholds", "cut_points")


def extended(site: Mapping[str, Any], bundled: Mapping[str, Any]) -> dict[str, Any]:
    """The whole catalogue, as TOML would hold it, that a site's file and the bundled one give together.

    What is wrong with an entry itself is left for the validation of the whole.

    Raises
    ------
    ValueError
        `extends` or `remove` is wrong, or an id is given twice; the message begins with the key or the entry.
    """
    if site.get(EXTENDS) != BUNDLED:
        raise ValueError(f'{EXTENDS}: must be "{BUNDLED}", where there is a {REMOVE} or an {EXTENDS}')
    removed = _removed(site.get(REMOVE, []), bundled)
    whole = {key: value for key, value in site.items() if key not in (EXTENDS, REMOVE)}
    for kind in _KINDS:
        own = site.get(kind, [])
        # Something that is no list of tables is a mistake, which the validation names.
        if isinstance(own, list):
            whole[kind] = _merged(kind, own, [entry for entry in bundled.get(kind, []) if entry["id"] not in removed])
    return whole


def _removed(named: object, bundled: Mapping[str, Any]) -> set[str]:
    if not isinstance(named, list) or not all(isinstance(entry_id, str) for entry_id in named):
        raise ValueError(f"{REMOVE}: must be a list of ids of tasks and views")
    known = {entry["id"] for kind in _KINDS for entry in bundled.get(kind, [])}
    if unknown := sorted(set(named) - known):
        raise ValueError(f"{REMOVE}: the bundled catalogue has no task or view {', '.join(unknown)}")
    return set(named)


def _merged(kind: str, own: Sequence[Any], bundled: Sequence[Mapping[str, Any]]) -> list[Any]:
    ids = [entry.get("id") for entry in own if isinstance(entry, dict)]
    if repeated := sorted({str(used) for used in ids if used is not None and ids.count(used) > 1}):
        raise ValueError(f"{kind} id used more than once: {', '.join(repeated)}")
    changes = {entry["id"]: entry for entry in own if isinstance(entry, dict) and isinstance(entry.get("id"), str)}
    known = {entry["id"] for entry in bundled}
    replaced = [_changed(entry, changes.get(entry["id"], {})) for entry in bundled]
    new = [entry for entry in own if not (isinstance(entry, dict) and entry.get("id") in known)]
    return replaced + new


def _changed(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = [field for field in _WORDS if changes.get(field, entry.get(field)) != entry.get(field)]
    others = {words for field in changed for words in _WORDS[field]}
    holding = {
        name: [made for made in entry[name] if not others & set(made["wording"].split("+"))]
        for name in _MADE_WITH_WORDS
        if others and name in entry
    }
    return {**entry, **holding, **changes}
