"""Which model a batch answers with, and what identifies its answers."""

from pathlib import Path

from config.catalogue import Catalogue
from db.rescoring.outdated import Target
from worker.context import WorkerContext
from worker.devices import usable_device
from worker.echoclip.device_check import gpus, why_unfit
from worker.loading import load_model_of
from worker.study_scoring import Scorer
from worker.views import view_gate


class Scorers:
    """The model that scores here, and those of packs that batches name, each loaded when it is first needed."""

    def __init__(self, context: WorkerContext) -> None:
        """Load nothing yet."""
        self._context = context
        self._named: tuple[str, Scorer] | None = None

    def of(self, pack: str) -> Scorer:
        """The model of the pack in this folder; empty: the one that scores.

        Raises
        ------
        ConfigurationError, ModelPackError
            It cannot be loaded.
        """
        if not pack:
            return self._context.scorer
        if self._named is None or self._named[0] != pack:
            self._named = None  # there may be no room for three
            self._named = (pack, self._loaded(pack))
        return self._named[1]

    def target(self, pack: str) -> Target:
        """What identifies the answers of this pack with today's catalogue, calibration and view gate.

        Raises
        ------
        ConfigurationError, ModelPackError
            It cannot be loaded.
        """
        return target_of(self.of(pack), self._context.catalogue, pack)

    def _loaded(self, pack: str) -> Scorer:
        settings = self._context.settings
        device = usable_device(settings, self._context.database, there=gpus(), check=why_unfit)
        model = load_model_of(Path(pack), settings, self._context.catalogue, device=device)
        return Scorer(model=model, gate=view_gate(settings.gate, model))


def target_of(scorer: Scorer, catalogue: Catalogue, pack: str) -> Target:
    """What identifies the answers of a model."""
    model = scorer.model
    return Target(
        pack=pack,
        model_name=model.identity.name,
        model_version=model.identity.version,
        model_label=model.identity.label,
        model_digest=model.identity.digest,
        embedder=model.embedder,
        catalogue_digest=catalogue.digest,
        calibration_digest=model.calibration_digest,
        view_gate=scorer.gate.provenance,
    )
