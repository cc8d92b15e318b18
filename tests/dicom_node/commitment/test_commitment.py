"""The data sets of storage commitment: what is written is read back, and what makes no sense is an error of ours."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from config.errors import CommitmentError
from dicom_node.commitment.messages import (
    CommitmentReport,
    Failure,
    Reference,
    action_information,
    event_information,
    new_transaction_uid,
    read_report,
    read_request,
)
from dicom_node.header import is_valid_uid

uids = st.lists(st.integers(0, 10**8), min_size=2, max_size=7).map(lambda parts: ".".join(map(str, parts)))
references = st.builds(Reference, uids, uids)
failures = st.builds(Failure, uids, uids, st.integers(0, 0xFFFF))
texts = st.text(st.characters(codec="latin-1"), max_size=70)


def over_the_network(dataset: Dataset) -> Dataset:
    encoded = encode(dataset, True, True)
    assert encoded is not None
    return decode(BytesIO(encoded), True, True)


@given(uids, st.lists(references, min_size=1, max_size=5))
def test_a_request_is_read_as_it_was_written(transaction: str, asked: list[Reference]) -> None:
    assert read_request(over_the_network(action_information(transaction, asked))) == (transaction, tuple(asked))


@given(uids, st.lists(references, max_size=5), st.lists(failures, max_size=5))
def test_a_report_is_read_as_it_was_written(
    transaction: str, committed: list[Reference], failed: list[Failure]
) -> None:
    report = CommitmentReport(transaction_uid=transaction, committed=tuple(committed), failed=tuple(failed))
    assert read_report(over_the_network(event_information(report))) == report
    assert report.event_type == (2 if failed else 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(texts, texts, texts)
def test_what_is_read_is_valid_or_an_error_that_quotes_nothing(transaction: str, sop_class: str, sop: str) -> None:
    information = over_the_network(action_information(transaction, [Reference(sop_class, sop)]))
    with suppress(CommitmentError):
        uid, asked = read_request(information)
        assert all(is_valid_uid(item) for item in (uid, *asked[0]))
        return
    with pytest.raises(CommitmentError) as error:
        read_request(information)
    assert str(error.value).partition(" is ")[2] in ("missing", "not a valid UID")


def test_a_report_on_nothing_is_read() -> None:
    information = Dataset()
    information.TransactionUID = "1.2.3"
    assert read_report(information) == CommitmentReport(transaction_uid="1.2.3")


def test_each_transaction_has_a_uid_of_its_own() -> None:
    made = {new_transaction_uid() for _ in range(100)}
    assert len(made) == 100
    assert all(is_valid_uid(uid) for uid in made)
