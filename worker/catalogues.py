"""Every task catalogue that a run was scored with, kept in the spool: a report speaks of the questions of its run.

    spool/catalogues/<SHA-256>.toml

A site may change its catalogue between a run and its report, or years before somebody looks at an old result; and an
upgrade may change the bundled one that a site's file extends. So a copy is always a whole catalogue.
"""

from pathlib import Path

from config.catalogue import Catalogue, load_catalogue
from config.errors import ConfigurationError, ReportError
from config.settings import Settings
from config.whole_files import write_durably
from db.reading.queries import StudyDetail
from db.results.runs import Run
from dicom_node.spool import Spool


def keep_catalogue(spool: Spool, catalogue: Catalogue) -> None:
    """Keep a copy for ever; does nothing where there is one.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    kept = _path(spool, catalogue.digest)
    if not spool.has(spool.relative(kept)):
        write_durably(kept, catalogue.content)
        spool.share(kept)


def catalogue_of_run(spool: Spool, digest: str, configured: Catalogue) -> Catalogue:
    """The catalogue of this digest: the configured one, or the copy that was kept.

    Raises
    ------
    ReportError
        It is neither, or its copy cannot be read any more.
    """
    if configured.digest == digest:
        return configured
    kept = spool.file(spool.relative(_path(spool, digest)))
    remedy = "put it back, or requeue the study with --step prepare to score it with today's"
    try:
        catalogue = load_catalogue(kept)
    except ConfigurationError as error:
        raise ReportError(f"the run's catalogue cannot be used: {error}; {remedy}") from error
    if catalogue.digest != digest:
        raise ReportError(f"the run's catalogue {kept} was changed; {remedy}")
    return catalogue


def catalogue_if_kept(spool: Spool, run: Run | None, configured: Catalogue) -> Catalogue | None:
    """That of a run, to name its questions and units by; None where it is lost, or there is no run."""
    if run is None:
        return None
    try:
        return catalogue_of_run(spool, run.catalogue_digest, configured)
    except ReportError:
        return None


def catalogue_of(detail: StudyDetail, settings: Settings) -> Catalogue | None:
    """The catalogue of the study's run, which may be an older one than today's; None where it is lost."""
    return catalogue_if_kept(Spool.of(settings), detail.run, load_catalogue(settings.catalogue_path))


def _path(spool: Spool, digest: str) -> Path:
    return spool.root / "catalogues" / f"{digest}.toml"
