"""From the settings to where scores come from: the active model, its view gate, the registry and the spool."""

from config.catalogue import Catalogue, load_catalogue
from config.errors import ConfigurationError
from config.labels import ModelLabel
from config.settings import Settings
from db.session import Database
from dicom_node.spool import Spool
from worker.calibration.scored import Source
from worker.loading import load_model_of
from worker.packs.active import PackUse, chosen_folder
from worker.views import view_gate


def open_source(settings: Settings, database: Database) -> Source:
    """Load the active model, for its prompts and for embeddings without results; pixels are never read.

    Raises
    ------
    ConfigurationError, ModelPackError
        No pack is active, or an UNTRAINED one; or the task catalogue or the model cannot be used.
    """
    catalogue = load_catalogue(settings.catalogue_path)
    folder = chosen_folder(settings, PackUse.SCORING)
    if folder is None:
        raise ConfigurationError("no model pack is active: a model with random weights cannot learn from cases")
    model = load_model_of(folder, settings, _asked_anyhow(catalogue))
    if model.identity.label is ModelLabel.UNTRAINED:
        raise ConfigurationError(
            f"the active model pack {model.identity.name} is UNTRAINED: a model with random weights cannot learn from "
            "cases; activate another one: echoworker packs list"
        )
    return Source(
        database=database,
        spool=Spool.of(settings),
        model=model,
        gate=view_gate(settings.gate, model),
        catalogue=catalogue,
        profile=settings.pixels.profile,
    )


def _asked_anyhow(catalogue: Catalogue) -> Catalogue:
    """With tasks that need no other's answer: of a labelled case it is known that the question makes sense."""
    tasks = tuple(task.model_copy(update={"asked_if": None}) for task in catalogue.tasks)
    return catalogue.model_copy(update={"tasks": tasks})
