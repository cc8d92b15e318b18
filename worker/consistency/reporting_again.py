"""Does a report of ours still say what there is to say of the study's other reports?"""

from config.sections.consistency import ReportAgain
from db.consistency.discordances import Discordance, Severity, Told

_Said = tuple[str, str, Severity, tuple[str, ...]]
"""Rule, field, severity and the sides; not by which report: its correction may say the same."""


def is_said_otherwise(before: Told | None, now: Told | None, *, wanted: ReportAgain, of_one_run: bool = True) -> bool:
    """Whether a discordance came or went, of those that are `wanted`, since our report was built with `before`.

    Not `of_one_run`, our side was answered anew meanwhile, and only what the other report says is compared.
    """
    sides = None if of_one_run else 1
    return _said(before, wanted, sides) != _said(now, wanted, sides)


def _said(told: Told | None, wanted: ReportAgain, sides: int | None) -> set[_Said]:
    return {_key(one, sides) for one in (told.discordances if told else ()) if _counts(one, wanted)}


def _counts(discordance: Discordance, wanted: ReportAgain) -> bool:
    return wanted is ReportAgain.ANY or (wanted is ReportAgain.MAJOR and discordance.severity is Severity.MAJOR)


def _key(one: Discordance, sides: int | None) -> _Said:
    return one.rule, one.field, one.severity, tuple(side.said for side in one.sides[:sides])
