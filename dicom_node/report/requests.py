"""The requests that a report answers, as its images name them."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

_OF_A_REQUEST = (
    "AccessionNumber", "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID", "RequestedProcedureDescription",
)  # fmt: skip
_SEQUENCES = ("ReferencedStudySequence", "RequestedProcedureCodeSequence")
_NAMES_ONE = (
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
)
"""An image that has one of these is of a request, also where it has no Request Attributes Sequence."""


def referenced_requests(sources: Sequence[Dataset]) -> list[Dataset]:
    """Items of Referenced Request Sequence (PS3.3 table C.17-2), each request once; none where no image names one.

    Their numbers are those of the Request Attributes Sequence, and of the image itself where that has one request: an
    image has no place of its own for an order number, and machines put it here or there.
    """
    requests: list[Dataset] = []
    for source in sources:
        named = _items(source, "RequestAttributesSequence")
        if not named and any(source.get(keyword) for keyword in _NAMES_ONE):
            named = (Dataset(),)
        for item in named:
            request = _request(item, source, is_alone=len(named) == 1)
            if request not in requests:
                requests.append(request)
    return requests


def _items(source: Dataset, keyword: str) -> Sequence[Dataset]:
    """None where a machine writes something else in its place."""
    if keyword not in source or source[keyword].VR != "SQ":
        return ()
    return source[keyword].value or ()


def _request(item: Dataset, source: Dataset, *, is_alone: bool) -> Dataset:
    request = Dataset()
    request.StudyInstanceUID = item.get("StudyInstanceUID") or source.StudyInstanceUID
    for keyword in _OF_A_REQUEST:
        setattr(request, keyword, item.get(keyword) or (is_alone and source.get(keyword)) or "")
    for keyword in _SEQUENCES:  # of type 2; who looks for the request has its number
        setattr(request, keyword, [])
    return request
