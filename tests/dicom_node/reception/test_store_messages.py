"""Our C-STORE messages against pynetdicom's own codec."""

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UltrasoundMultiFrameImageStorage
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu import P_DATA_TF

from dicom_node.reception.store_messages import StoreRequest, read_store_request, store_response

uids = st.from_regex(r"1\.2(\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True)


def command_set(primitive: C_STORE | C_ECHO, message: DIMSEMessage) -> bytes:
    message.primitive_to_message(primitive)
    (fragment, *_) = message.encode_msg(1, 16382)
    return bytes(fragment.presentation_data_value_list[0][1][1:])


@given(instance=uids, message_id=st.integers(0, 65535), move_originator=st.booleans())
def test_requests_are_read_as_pynetdicom_writes_them(instance: str, message_id: int, move_originator: bool) -> None:
    request = C_STORE()
    request.MessageID, request.Priority = message_id, 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UltrasoundMultiFrameImageStorage, instance
    if move_originator:
        request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = "PACS", 3
    read = read_store_request(5, command_set(request, C_STORE_RQ()))
    assert read == StoreRequest(
        context_id=5,
        message_id=message_id,
        sop_class_uid=UltrasoundMultiFrameImageStorage,
        sop_instance_uid=instance,
        has_data_set=False,  # none was given to the primitive
    )


def test_another_message_is_left_to_others() -> None:
    request = C_ECHO()
    request.MessageID = 1
    assert read_store_request(1, command_set(request, C_ECHO_RQ())) is None


@given(content=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_request_and_no_error(content: bytes) -> None:
    assert read_store_request(1, content) is None


@given(
    instance=uids,
    status=st.sampled_from([0x0000, 0xA700, 0xA900, 0xB000, 0xC000]),
    comment=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=64),
)
def test_responses_are_read_by_pynetdicom_as_we_mean_them(instance: str, status: int, comment: str) -> None:
    request = StoreRequest(
        context_id=3,
        message_id=77,
        sop_class_uid=UltrasoundMultiFrameImageStorage,
        sop_instance_uid=instance,
        has_data_set=True,
    )
    pdu = P_DATA_TF()
    pdu.decode(store_response(request, status, comment))
    message = DIMSEMessage()
    assert message.decode_msg(pdu.to_primitive())
    response = message.message_to_primitive()
    assert isinstance(response, C_STORE)
    assert (message.context_id, response.MessageIDBeingRespondedTo, response.Status) == (3, 77, status)
    assert (response.AffectedSOPInstanceUID, (response.ErrorComment or "").strip()) == (instance, comment.strip())
