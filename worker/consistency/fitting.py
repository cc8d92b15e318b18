"""Do the texts of a study's reports fit its images as well as those of other studies fit theirs?

Asked where a pack for retrieval is in use and the rules want to know; whatever stands in the way is a note, and costs
only this rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from config.errors import BucketAwayError, EchoWorkerError
from config.labels import ModelLabel
from config.logs import place_of
from config.settings import Settings
from db.consistency.discordances import Likeness
from db.consistency.report_likenesses import among_others, likenesses_of
from db.session import Database
from worker.consistency.comparing.rule_kinds import AnotherPatientRule
from worker.consistency.reading import ReadReport
from worker.consistency.statements import SourceKind
from worker.packs.active import PackUse, chosen_folder

if TYPE_CHECKING:
    from worker.retrieval.report_likeness import Likened, TextLikeness

_LIKENESS = "worker.retrieval.report_likeness:TextLikeness"
"""Named: torch costs a second and 300 MB, and most checks never ask."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How well texts fit, by the id of the report."""

    better_than: Mapping[str, float] = field(default_factory=dict)
    """The share, 0..1, of the pairs of text and images of other studies that fit worse; none of them where too few
    are known."""
    likenesses: Mapping[str, Likeness] = field(default_factory=dict)
    """To be kept, for the checks of other studies."""
    notes: tuple[str, ...] = ()
    """Why nothing is said; free of what reports say."""


class Fitting:
    """Measures it for one installation, and keeps the model that it loaded."""

    def __init__(self, settings: Settings, registry: Database) -> None:
        self._settings = settings
        self._registry = registry
        self._likeness: TextLikeness | None = None

    def of(
        self, study_id: int, rule: AnotherPatientRule | None, reports: Sequence[ReadReport], *, label: ModelLabel
    ) -> Fit:
        """How well the texts among these reports fit the images of a study; a machine's measurements are no text.

        `label` is that of the study's results: a model that is to be trusted less adds nothing to them.

        Raises
        ------
        SQLAlchemyError
            The registry is away.
        """
        texts = {
            report.reported.id: report.text
            for report in reports
            if report.reported.kind is SourceKind.TEXT_REPORT and report.reported.says_something
        }
        if rule is None or not texts:
            return Fit()
        with self._registry.read() as session:
            known = {name: one for name, one in likenesses_of(session, study_id).items() if name in texts}
        measured = self._measured(study_id, texts, label, known)
        if measured is None:
            return Fit()
        if isinstance(measured, str):
            return Fit(likenesses=known, notes=(f"{rule.id}: {measured}",))
        notes = [f"{name}: {rule.id}: {why}" for name, why in measured.doubts.items()]
        return self._fit(study_id, rule, measured.likenesses, notes)

    def _measured(
        self, study_id: int, texts: Mapping[str, str], label: ModelLabel, known: Mapping[str, Likeness]
    ) -> "Likened | str | None":
        """None where no pack is in use for retrieval; a sentence where nothing could be measured."""
        try:
            if chosen_folder(self._settings, PackUse.RETRIEVAL) is None:
                return None
            if self._likeness is None:
                self._likeness = resolve_name(_LIKENESS)(self._settings, self._registry)
            return self._likeness.of(study_id, texts, label=label, known=known)
        except (SQLAlchemyError, BucketAwayError):
            raise
        except EchoWorkerError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  a pack's own trouble must not keep our results back
            return place_of(error)

    def _fit(
        self, study_id: int, rule: AnotherPatientRule, likenesses: Mapping[str, Likeness], notes: Sequence[str]
    ) -> Fit:
        better, too_few = {}, []
        with self._registry.read() as session:
            for name, likeness in likenesses.items():
                others = among_others(session, likeness, besides=study_id)
                if others.pairs < rule.fewest_pairs:
                    too_few = [
                        f"{rule.id}: {others.pairs} other pairs of text and images are known here, of "
                        f"{rule.fewest_pairs} that it needs"
                    ]
                else:
                    better[name] = others.worse / others.pairs
        return Fit(better_than=better, likenesses=likenesses, notes=(*notes, *too_few))
