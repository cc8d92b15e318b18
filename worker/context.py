"""What a worker process works with, made once: settings, registry, spool, catalogue, and the model on first use."""

from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery

from config.catalogue import Catalogue, load_catalogue
from config.errors import DeviceError, ModelPackError
from config.labels import ModelLabel
from config.sections.canary import is_canary
from config.sections.dicomweb import DicomWebSettings
from config.sections.messages import MessageSettings
from config.sections.peers import PeerSettings, Role
from config.sections.report_objects import ReportObject
from config.settings import Settings
from db.session import Database
from dicom_node.spool import Spool
from worker.consistency.configured import configured
from worker.consistency.fitting import Fitting
from worker.devices import usable_device
from worker.packs.active import ChosenPack, PackUse
from worker.watch import Watch

if TYPE_CHECKING:
    from worker.pixels.profiles import Profile
    from worker.study_scoring import Scorer

Destination = PeerSettings | DicomWebSettings | MessageSettings


class WorkerContext:
    """One process's handles on the installation."""

    def __init__(self, settings: Settings, broker: Celery, watch: Watch | None = None) -> None:
        """Check the catalogue and the consistency rules at once: a mistake in them stops the start, not a study.

        Raises
        ------
        ConfigurationError
            The task catalogue, a file of rules or words, or the database URL is wrong, or the bucket cannot be spoken
            with.
        """
        self.settings = settings
        self.broker = broker
        self.watch = watch or Watch()
        self.database = Database.of(settings)
        self.spool = Spool.of(settings)
        if self.spool.bucket is not None:
            self.spool.bucket.require_protocol()
            self.spool.create()  # this host's own
        self.catalogue: Catalogue = load_catalogue(settings.catalogue_path)
        self.consistency = (
            configured(settings.consistency, settings.report.language) if settings.consistency.enabled else None
        )
        """What reports are compared with; None where they are not."""
        self.fitting = Fitting(settings, self.database)
        """How well texts fit images; its model is loaded when it is first asked."""
        self.software_version = version("echoworker")
        self._scoring = ChosenPack(settings, PackUse.SCORING)
        self._retrieval = ChosenPack(settings, PackUse.RETRIEVAL)
        self._device_failed = False
        self._scorer: tuple[tuple[Path | None, Path | str | None], Scorer] | None = None

    @property
    def scorer(self) -> "Scorer":
        """The model, loaded on first use, and anew once another pack was activated: ask once for each study.

        Only processes that score hold it.

        Raises
        ------
        ModelPackError
            The pack that scores cannot be loaded. The one before is not used in its place: somebody wanted another.
        DeviceError
            No device is fit to be used.
        """
        from worker.echoclip.device_check import gpus, why_unfit  # noqa: PLC0415  torch costs a second and 300 MB
        from worker.loading import load_scorer  # noqa: PLC0415  likewise

        if self._device_failed:
            raise DeviceError("the GPU failed under this worker: the next one checks it")
        chosen = (self._scoring.folder(), self._chosen_for_retrieval())
        if self._scorer is None or self._scorer[0] != chosen:
            self._scorer = None  # there may be no room for two
            device = usable_device(self.settings, self.database, there=gpus(), check=why_unfit)
            self._scorer = (chosen, load_scorer(self.settings, self.catalogue, device=device))
        return self._scorer[1]

    def device_failed(self) -> None:
        """No device can be judged any more in this process: it ends, and the next one loads the model anew."""
        self._device_failed = True
        self.watch.end_after_this()

    def _chosen_for_retrieval(self) -> Path | str | None:
        """The folder; or why there is none, which stops no scoring: once that is mended, it is another choice."""
        try:
            return self._retrieval.folder()
        except ModelPackError as error:
            return str(error)

    @cached_property
    def profile(self) -> "Profile":
        """How clips are sampled and resized."""
        from worker.pixels.profiles import PROFILES  # noqa: PLC0415  torch, as above

        return PROFILES[self.settings.pixels.profile]

    def require_spool(self) -> None:
        """See `Spool.require_there`."""
        self.spool.require_there()

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Everybody who is to have results: as objects, or as messages that say the same."""
        settings = self.settings
        return *settings.peers_in(Role.DESTINATION), *settings.dicomweb, *settings.messages

    def destination(self, name: str) -> Destination | None:
        """The configured destination of that name."""
        return next((destination for destination in self.destinations if destination.name == name), None)

    def wanted_objects(self, label: ModelLabel, study_instance_uid: str) -> dict[ReportObject, list[str]]:
        """Of each kind of object the names of the destinations that take it, of models so labelled.

        A canary goes to those alone that `canary.destinations` names.
        Receivers of messages are told what the Structured Report says, and get nothing besides.
        """
        wanted: dict[ReportObject, list[str]] = {kind: [] for kind in ReportObject}
        for destination in self.destinations:
            if is_canary(study_instance_uid) and destination.name not in self.settings.canary.destinations:
                continue
            if label in destination.accept_models:
                for kind in _objects_for(destination):
                    wanted[kind].append(destination.name)
        return wanted


def _objects_for(destination: Destination) -> tuple[ReportObject, ...]:
    return (ReportObject.SR,) if isinstance(destination, MessageSettings) else destination.objects
