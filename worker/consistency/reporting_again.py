"""Does a report of ours still say what there is to say of the study's other reports?"""

from config.consistency import ReportAgain
from db.discordances import Discordance, Severity, Told

_Said = tuple[str, str, Severity, tuple[str, ...]]
"""Rule, field, severity and both sides; not by which report: its correction may say the same."""


def is_said_otherwise(before: Told | None, now: Told | None, *, wanted: ReportAgain) -> bool:
    """Whether a discordance came or went, of those that are `wanted`, since our report was built with `before`."""
    return _said(before, wanted) != _said(now, wanted)


def _said(told: Told | None, wanted: ReportAgain) -> set[_Said]:
    return {_key(one) for one in (told.discordances if told else ()) if _counts(one, wanted)}


def _counts(discordance: Discordance, wanted: ReportAgain) -> bool:
    return wanted is ReportAgain.ANY or (wanted is ReportAgain.MAJOR and discordance.severity is Severity.MAJOR)


def _key(one: Discordance) -> _Said:
    return one.rule, one.field, one.severity, tuple(side.said for side in one.sides)
