"""What we say of an association that does not come about: each cause in its own words."""

import socket
import threading

import pytest
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian, UltrasoundImageStorage
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from config.errors import AssociationRejectedError, DeliveryError, NoPresentationContextError
from dicom_node import calling
from dicom_node.calling import Peer, association_with, echo, own_host
from dicom_node.findings import FaultError
from dicom_node.services import require_listener
from tests.support.scps import serving
from tests.support.servers import StoreSCP, free_port


def peer(port: int) -> Peer:
    return Peer(host="127.0.0.1", port=port, ae_title="PACS", calling_ae_title="ECHOWORKER")


def test_nothing_listens() -> None:
    port = free_port()
    with pytest.raises(DeliveryError) as raised:
        echo(peer(port))
    assert str(raised.value) == f"PACS at 127.0.0.1:{port}: connection refused: nothing listens there"


@pytest.mark.parametrize("listens_on", ["", "0.0.0.0", "::", "127.0.0.1"])  # noqa: S104
def test_our_own_node_is_called_where_it_listens(listens_on: str) -> None:
    ae = AE(ae_title="OURS")
    ae.add_supported_context(Verification)
    server = ae.start_server((listens_on, 0), block=False)
    assert server is not None
    try:
        port = server.socket.getsockname()[1]
        echo(Peer(host=own_host(listens_on), port=port, ae_title="OURS", calling_ae_title="OURS"))
        require_listener(listens_on, port, start_it=": start it")
    finally:
        server.shutdown()
    with pytest.raises(FaultError, match=f":{port}: start it$"):
        require_listener(listens_on, port, start_it=": start it")


@pytest.mark.parametrize(
    ("required", "said"),
    [("calling", "calling AE title not recognized"), ("called", "called AE title not recognized")],
)
def test_a_rejection_is_told_in_the_words_of_the_standard(required: str, said: str) -> None:
    ae = AE(ae_title="OTHER")
    ae.add_supported_context(Comprehensive3DSRStorage)
    if required == "calling":
        ae.require_calling_aet = ["SOMEBODY"]
    else:
        ae.require_called_aet = True
    with (
        serving(ae) as port,
        pytest.raises(AssociationRejectedError, match=f"rejected the association of ECHOWORKER .*{said}"),
    ):
        echo(peer(port))


def test_a_peer_that_is_full_rejects_for_now() -> None:
    ae = AE()
    ae.add_supported_context(Comprehensive3DSRStorage)
    ae.maximum_associations = 1
    contexts = [build_context(Comprehensive3DSRStorage)]
    said = "for now: local limit of associations exceeded"
    with (
        serving(ae) as port,
        association_with(peer(port), contexts),
        pytest.raises(AssociationRejectedError, match=said),
    ):
        echo(peer(port))


def test_contexts_that_are_not_accepted_are_named() -> None:
    ae = AE()
    ae.add_supported_context(Comprehensive3DSRStorage)
    contexts = [build_context(UltrasoundImageStorage, ExplicitVRLittleEndian)]
    said = "accepts none of Ultrasound Image Storage in Explicit VR Little Endian \\(SOP class not supported\\)"
    with (
        serving(ae) as port,
        pytest.raises(NoPresentationContextError, match=said),
        association_with(peer(port), contexts),
    ):
        pass


def test_contexts_that_dcmtk_does_not_accept_are_named(storescp: StoreSCP) -> None:
    contexts = [build_context(f"1.2.3.{number}", ExplicitVRLittleEndian) for number in range(1, 6)]
    with (
        pytest.raises(NoPresentationContextError, match=r"accepts none of 1\.2\.3\.1 in .*, 2 others"),
        association_with(peer(storescp.port), contexts),
    ):
        pass


def test_a_port_where_nobody_speaks_dicom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "CONNECT_TIMEOUT_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(DeliveryError, match="takes the connection, and does not answer within 1 s"):
            echo(peer(silent.getsockname()[1]))


def hang_up(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.close()


def test_a_port_that_hangs_up() -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        threading.Thread(target=hang_up, args=[rude], daemon=True).start()
        with pytest.raises(DeliveryError, match="hung up when ECHOWORKER asked for an association"):
            echo(peer(rude.getsockname()[1]))
