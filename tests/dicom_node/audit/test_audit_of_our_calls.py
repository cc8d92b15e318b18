"""What we ask of others, get from them and send to them is in the audit trail."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from config.errors import QueryError, RetrieveError
from config.sections.peers import PeerSettings, Role
from config.settings import Settings, load_settings
from dicom_node.archive.query import StudyQuery, find_studies
from dicom_node.archive.retrieve import get_study, move_study
from dicom_node.audit.trail import AuditTrail
from dicom_node.calling import Peer, called_peer
from dicom_node.send import send_files
from dicom_node.spool import Spool
from tests.support.archives import OUR_AE_TITLE, destination, made_study, peer_of, scripted_archive
from tests.support.audit_trail import QUERY, TRANSFERRED, trail
from tests.support.servers import Orthanc

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def spool(settings: Settings) -> Spool:
    made = Spool(settings.spool_dir)
    made.create()
    return made


Audited = Callable[[Peer], Peer]


@pytest.fixture
def audited(settings: Settings) -> Audited:
    return lambda peer: replace(peer, audit=AuditTrail(settings))


def test_a_configured_peer_is_told_of_in_the_trail(settings: Settings) -> None:
    entry = PeerSettings(name="PACS", ae_title="PACS", roles=(Role.ARCHIVE,), host="pacs.hospital")
    assert called_peer(settings, entry).audit is not None


def test_a_query_and_what_came_by_c_get_are_in_the_trail(
    settings: Settings, spool: Spool, orthanc: Orthanc, tmp_path: Path, audited: Audited
) -> None:
    study = made_study(tmp_path / "outside", instances=3)
    orthanc.keep(*study.files)
    orthanc.know(OUR_AE_TITLE, 1)
    archive = audited(peer_of(orthanc))
    assert len(list(find_studies(archive, StudyQuery(study_instance_uid=study.uid)))) == 1
    list(get_study(archive, study.uid, spool))
    asked = [(told.object_id, told.outcome, told.source) for told in trail(settings.audit_dir, QUERY)]
    assert asked == [(FIND, "0", OUR_AE_TITLE), (GET, "0", OUR_AE_TITLE)]
    (came,) = trail(settings.audit_dir, TRANSFERRED)
    assert (came.outcome, came.object_id, came.instances, came.source) == ("0", study.uid, 3, orthanc.ae_title)
    assert list(spool.receivers.iterdir()) == []


def test_a_query_and_a_retrieval_that_failed_are_in_the_trail_with_the_reason(
    settings: Settings, audited: Audited
) -> None:
    with scripted_archive(find=lambda _: iter([(0xA700, None)]), move=lambda _: iter([(None, None)])) as scripted:
        archive = audited(scripted)
        with pytest.raises(QueryError):
            list(find_studies(archive, StudyQuery(study_instance_uid=generate_uid())))
        with pytest.raises(RetrieveError):
            list(move_study(archive, generate_uid()))
    asked = trail(settings.audit_dir, QUERY)
    assert [(told.object_id, told.outcome) for told in asked] == [(FIND, "8"), (MOVE, "8")]
    assert all("SCRIPTED" in told.said for told in asked)


def test_what_is_sent_is_in_the_trail_by_study_and_what_was_refused_with_the_answer(
    settings: Settings, tmp_path: Path, audited: Audited
) -> None:
    one, other = (made_study(tmp_path / name, instances=2) for name in ("one", "other"))
    files = [*one.files, *other.files]
    with destination() as node:
        node.refused.add(str(pydicom.dcmread(files[-1]).SOPInstanceUID))
        peer = Peer(host="127.0.0.1", port=node.port, ae_title=OUR_AE_TITLE, calling_ae_title="ECHOSEND")
        list(send_files(files, audited(peer)))
    sent = [
        (told.object_id, told.outcome, told.said, told.instances) for told in trail(settings.audit_dir, TRANSFERRED)
    ]
    assert sent == [
        (one.uid, "0", "", 2),
        (other.uid, "0", "", 1),
        (other.uid, "8", "0xC000 cannot understand", 1),
    ]
