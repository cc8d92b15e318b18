"""From an instance to what the rules look at: its header, and who sent it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from config.sections.canary import is_canary
from config.sections.peers import PeerSettings
from config.sections.rules import Action, Decision, InstanceFacts, decide
from config.settings import Settings
from db.lifecycle.received import ReceivedInstance
from dicom_node.header import is_made_by_us, read_attributes

ATTRIBUTES = (
    "SOPClassUID",
    "Modality",
    "SeriesDescription",
    "StudyDescription",
    "StationName",
    "ManufacturerModelName",
)
"""All that rules look at in a data set."""


def instance_facts(dataset: Dataset, *, calling_ae_title: str | None, peers: Iterable[PeerSettings]) -> InstanceFacts:
    """What the rules look at, from a header and the AE title that it was sent by; None when that is not known."""
    return InstanceFacts(
        sop_class_uid=_text(dataset, "SOPClassUID") or "",
        modality=_text(dataset, "Modality"),
        calling_ae_title=calling_ae_title,
        peers=frozenset(peer.name for peer in peers if peer.ae_title == calling_ae_title),
        series_description=_text(dataset, "SeriesDescription"),
        study_description=_text(dataset, "StudyDescription"),
        station_name=_text(dataset, "StationName"),
        manufacturer_model=_text(dataset, "ManufacturerModelName"),
    )


def read_facts(path: Path, *, calling_ae_title: str | None, peers: Iterable[PeerSettings]) -> InstanceFacts:
    """What the rules look at, from a DICOM file.

    Raises
    ------
    UnreadableInstanceError
        It is not a DICOM file.
    """
    return instance_facts(read_attributes(path, ATTRIBUTES), calling_ae_title=calling_ae_title, peers=peers)


def decision_for(path: Path, *, calling_ae_title: str | None, settings: Settings) -> Decision:
    """What the rules say of an instance that was received; `path` is its file.

    Reports of this software are kept, whatever the rules say: they go to their own destinations, and are not scored.

    Raises
    ------
    UnreadableInstanceError
        The file is not a DICOM file.
    """
    dataset = read_attributes(path, (*ATTRIBUTES, "Manufacturer"))
    if is_made_by_us(_text(dataset, "Modality"), _text(dataset, "Manufacturer")):
        return Decision(action=Action.STORE)
    return decide(settings.rules, instance_facts(dataset, calling_ae_title=calling_ae_title, peers=settings.peers))


def routed(instance: ReceivedInstance, path: Path, settings: Settings) -> ReceivedInstance:
    """The instance with what the rules say of it; `path` is its file. A canary is nobody's: it is scored, and goes on
    to nobody, whatever the rules say.

    Raises
    ------
    UnreadableInstanceError
        The file is no longer a DICOM file.
    """
    if is_canary(instance.study_instance_uid) or not (settings.rules or instance.is_our_report):
        return instance  # a second look into each file only where there is something to look for
    decision = decision_for(path, calling_ae_title=instance.calling_ae_title, settings=settings)
    return replace(instance, decision=decision)


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = dataset.get(keyword)
    if isinstance(value, MultiValue):  # a backslash, where the VR allows one value: the text as it was written
        value = "\\".join(str(part) for part in value)
    return str(value or "").strip(" \0") or None
