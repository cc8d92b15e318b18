"""The installation that a command works on, as the settings name it."""

from config.errors import ConfigurationError
from config.settings import Settings, load_settings
from db.session import Database
from dicom_node.spool import Spool


def open_registry(settings: Settings) -> Database:
    """The registry, its schema being what this version needs.

    Raises
    ------
    ConfigurationError
        It has to be upgraded first.
    """
    registry = Database(settings.database_url)
    at, needed = registry.schema_revisions()
    if at != needed:
        raise ConfigurationError(
            f"the registry's schema is at {at or 'nothing'}, this version needs {needed}: run echoworker db upgrade"
        )
    return registry


def open_installation() -> tuple[Spool, Database]:
    """Spool and registry.

    Raises
    ------
    ConfigurationError
        A setting is wrong, or the registry has to be upgraded first.
    """
    settings = load_settings()
    spool = Spool(settings.spool_dir, minimum_free_bytes=settings.node.minimum_free_bytes)
    registry = open_registry(settings)
    spool.create()
    return spool, registry
