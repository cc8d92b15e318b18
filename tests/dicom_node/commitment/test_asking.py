"""We ask a PACS to commit: what it reports on our association is answered before we leave."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from pydicom.uid import UltrasoundMultiFrameImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event

from dicom_node.calling import Peer
from dicom_node.commitment.messages import CommitmentReport, Reference, ask_commitment, read_request
from dicom_node.commitment.service import report_on
from dicom_node.contexts import STORAGE_COMMITMENT
from tests.support.scps import serving


def test_a_report_of_another_transaction_is_answered_too_before_the_association_is_released() -> None:
    earlier, ours = generate_uid(), generate_uid()
    both_are_here, has_left = threading.Event(), threading.Event()
    answers: list[Future[int | None]] = []

    def keep(report: CommitmentReport) -> None:
        if report.transaction_uid == earlier:
            assert both_are_here.wait(10)
            assert not has_left.wait(0.5)
        else:
            both_are_here.set()

    def on_action(event: Event) -> tuple[int, None]:
        _, references = read_request(event.action_information)
        for transaction_uid in (earlier, ours):
            report = CommitmentReport(transaction_uid=transaction_uid, committed=references)
            answers.append(pacs.submit(report_on, event.assoc, event.context.context_id, report))
        return 0x0000, None

    ae = AE(ae_title="PACS")
    ae.add_supported_context(STORAGE_COMMITMENT)
    with (
        ThreadPoolExecutor() as pacs,
        serving(ae, [(evt.EVT_N_ACTION, on_action)]) as port,
    ):
        peer = Peer(host="127.0.0.1", port=port, ae_title="PACS", calling_ae_title="ECHOWORKER")
        reference = Reference(str(UltrasoundMultiFrameImageStorage), generate_uid())
        ask_commitment(peer, [reference], ours, keep, wait_s=10)
        has_left.set()
        assert [answer.result(20) for answer in answers] == [0x0000, 0x0000]
