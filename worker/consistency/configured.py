"""What this installation compares reports with: the rules and the words of its settings."""

from dataclasses import dataclass
from pathlib import Path

from config.languages import Language
from config.sections.consistency import ConsistencySettings
from worker.consistency.comparing.rules import BUNDLED_RULES, Rules, load_rules
from worker.consistency.reading import ReportReader


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """All that checks need besides a study."""

    rules: Rules
    reader: ReportReader


def configured(settings: ConsistencySettings, language: Language) -> Consistency:
    """Read the site's files, so that a mistake in them stops the start and not the first study.

    `language` is that of our own reports: others are likely to be in it, too, where their words do not tell.

    Raises
    ------
    ConfigurationError
        A file of rules or words is missing, or has a mistake.
    """
    rules = load_rules(Path(settings.rules) if settings.rules else BUNDLED_RULES)
    return Consistency(rules=rules, reader=ReportReader([Path(name) for name in settings.lexicons], language=language))
