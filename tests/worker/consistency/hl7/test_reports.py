"""Reports come out of HL7 messages as they were written, whoever wrote them; what is not understood is said."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hl7apy.core import Message
from hypothesis import given
from hypothesis import strategies as st

from config.errors import EchoWorkerError, UnreadableReportError
from tests.worker.consistency.documents.test_objects import pdf
from worker.consistency.hl7.acknowledging import acknowledgement, judge
from worker.consistency.hl7.parsing import messages_in, messages_of_frame, parse
from worker.consistency.hl7.reports import HL7Report, ResultStatus, read_hl7_reports, time_in

NAME, PATIENT_ID = "GEHEIM^PATRICK", "SECRET-4711"
UID = "1.2.826.0.1.3680043.8.498.1234567890"
HEADER = "MSH|^~\\&|RIS|HOSP|ECHOWORKER|HOSP|20260301101500+0100||ORU^R01^ORU_R01|MSG00001|P|2.5.1"
PATIENT = f"PID|1||{PATIENT_ID}^^^HOSP&1.2.3&ISO^MR~999^^^OTHER^PI||{NAME}||19500101|F"
ORDER = "OBR|1|PLACER-1^RIS|FILLER-1^RIS|93306^ECHO^C4|||20260301093000|||||||||||ACC-77|||||||F"


def message(*lines: str, end: str = "\r", header: str = HEADER) -> bytes:
    return (end.join([header, PATIENT, ORDER, *lines]) + end).encode()


def only(content: bytes) -> HL7Report:
    (report,) = read_hl7_reports(content)
    return report


def obx(kind: str, value: str, *, name: str = "", unit: str = "", status: str = "F") -> str:
    return f"OBX|1|{kind}|{name}||{value}|{unit}|||||{status}"


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5", "2.5.1"])
def test_a_message_that_hl7apy_built_is_read(version: str) -> None:
    built = Message("ORU_R01", version=version)
    built.msh.msh_3, built.msh.msh_9, built.msh.msh_10 = "RIS", "ORU^R01", "MSG1"
    built.msh.msh_12 = version
    text = "Normal & small | no ^ doubt ~ \\ at all"
    pid, obr, first, second = (built.add_segment(name) for name in ("PID", "OBR", "OBX", "OBX"))
    pid.pid_3, pid.pid_5 = f"{PATIENT_ID}^^^HOSP", NAME
    obr.obr_3, obr.obr_7, obr.obr_18, obr.obr_25 = "FILLER-1", "20260301093000", "ACC-77", "F"
    first.obx_2, first.obx_3, first.obx_11 = "TX", "F^Findings^L", "F"
    escaped = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    first.obx_5 = text.translate(str.maketrans(escaped))
    second.obx_2, second.obx_3, second.obx_5, second.obx_6, second.obx_11 = "NM", "18043-0^LVEF^LN", "55", "%", "F"
    report = only(built.to_er7().encode())
    assert report.text == f"Findings\n{text}\n\nLVEF: 55 %"
    assert [a.value for a in report.identifiers.accession_numbers] == ["ACC-77", "FILLER-1"]
    assert [(i.value, i.issuer) for i in report.identifiers.patient_ids] == [(PATIENT_ID, "HOSP")]
    assert report.status is ResultStatus.FINAL
    assert report.notes == ()


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CR LF"])
def test_segments_may_end_in_any_line_end(end: str) -> None:
    report = only(message(obx("TX", "EF 55 %", name="F^Findings"), obx("TX", "Normal.", name="F^Findings"), end=end))
    assert report.text == "Findings\nEF 55 %\nNormal."


def test_a_text_with_line_breaks_in_it_stays_whole() -> None:
    report = only(message(obx("TX", "First line\nEF 55 %\nOBX without a bar").removesuffix("|F") + "|F"))
    assert report.text == "First line\nEF 55 %\nOBX without a bar"


def test_identifiers_are_told_by_field_and_issuer() -> None:
    content = message("ZDS|" + UID + "^RIS^Application^DICOM", obx("TX", "EF 55 %"))
    content = content.replace(b"OBR|1|", b"ORC|RE|PLACER-2^RIS|FILLER-1^RIS\rOBR|1|")
    said = only(content).identifiers
    assert said.study_instance_uids == (UID,)
    assert [(a.value, a.issuer, a.source) for a in said.accession_numbers] == [
        ("ACC-77", "", "OBR-18"), ("FILLER-1", "RIS", "OBR-3"), ("PLACER-1", "RIS", "OBR-2"),
        ("PLACER-2", "RIS", "ORC-2"),
    ]  # fmt: skip
    assert [(p.value, p.issuer) for p in said.patient_ids] == [(PATIENT_ID, "HOSP"), ("999", "OTHER")]
    assert said.observed_at == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


def test_the_study_instance_uid_may_be_an_observation_or_of_the_ipc() -> None:
    assert only(message(obx("ST", UID, name="113014^DICOM Study^DCM"))).identifiers.study_instance_uids == (UID,)
    assert only(message(f"IPC|ACC-9|RP1|{UID}|SPS1")).identifiers.study_instance_uids == (UID,)
    assert only(message(f"IPC|ACC-9|RP1|{UID}|SPS1")).identifiers.accession_numbers[0].value == "ACC-9"
    assert only(message(obx("ST", "no UID", name="113014^DICOM Study^DCM"))).identifiers.study_instance_uids == ()


def test_each_order_is_a_report_and_each_patient_has_his_own() -> None:
    second = "PID|2||OTHER-1^^^HOSP\rOBR|2||FILLER-2|||||||||||||||ACC-78|||||||P\rOBX|1|TX|||EF 30 %||||||P"
    first, other = read_hl7_reports(message(obx("TX", "EF 55 %"), second))
    assert (first.text, other.text) == ("EF 55 %", "EF 30 %")
    assert [p.value for p in other.identifiers.patient_ids] == ["OTHER-1"]
    assert [p.value for p in first.identifiers.patient_ids] == [PATIENT_ID, "999"]
    assert (first.order, other.order, other.status) == (1, 2, ResultStatus.PRELIMINARY)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\\.br\\b", "a\nb"), ("a\\T\\b\\F\\c\\S\\d\\R\\e\\E\\f", "a&b|c^d~e\\f"), ("a\\X0D0A\\b", "a\nb"),
        ("5\\X25\\", "5%"), ("\\H\\bold\\N\\ text", "bold text"), ("a\\.sp2\\b", "a\n\nb"), ("a\\.in+4\\b", "a b"),
        ("C:\\Meas\\x", "C:\\Meas\\x"), ("\\Zabc\\x", "x"), ("lone \\ stays", "lone \\ stays"), ("\\Xzz\\", "\\Xzz\\"),
        ("a~b", "a\nb"), ("a^b&c", "a^b&c"),
    ],
)  # fmt: skip
def test_escape_sequences(written: str, read: str) -> None:
    assert only(message(obx("FT", written))).text == read


def test_codes_numbers_and_sections_of_old_senders() -> None:
    report = only(
        message(
            obx("CWE", "373125003^abnormally small^SCT^^^^^^small LV", name="X^LV size"),
            obx("CE", "N^normal^L", name="Y^RV"),
            obx("NM", "55", name="18043-0^LVEF^LN", unit="%"), obx("SN", "<^20", name="Z^RAP", unit="mm[Hg]"),
            obx("ST", "2.8", name="V^TR Vmax", unit="m/s"), obx("TX", "Good.", name="93306&IMP"),
            obx("TX", "Gone.", status="D"), obx("XPN", "A^B"), "NTE|1||As discussed.",
        )
    )  # fmt: skip
    assert report.text == (
        "LV size: small LV\nRV: normal\nLVEF: 55 %\nRAP: <20 mm[Hg]\nTR Vmax: 2.8 m/s\nImpression: Good.\nAs discussed."
    )
    assert report.notes == (
        "1 observations were taken back (OBX-11): they are left out",
        "1 observations are of a type that has no text: they are left out",
    )


def test_a_text_of_few_words_is_an_answer_and_lines_of_one_name_are_a_text() -> None:
    report = only(
        message(
            obx("ST", "No", name="P^Pacemaker"), obx("ST", "None", name="P^Pacemaker"),
            obx("TX", "Regurgitation that is", name="M^Mitral valve"),
            obx("TX", "moderate.", name="M^Mitral valve"), obx("ST", "55", name="E^LVEF", unit="%"),
            obx("ST", "57", name="E^LVEF", unit="%"), obx("TX", "And a murmur.", name="M^Mitral valve"),
            obx("TX", "A text that has more than six words.", name="F^Findings"),
            obx("TX", "Two\\.br\\lines", name="C^X"), obx("TX", "History: EF 20 %", name="R^Report"),
        )
    )  # fmt: skip
    assert report.text == (
        "Pacemaker: No\nPacemaker: None\n\nMitral valve\nRegurgitation that is\nmoderate.\n\nLVEF: 55 %\nLVEF: 57 %\n\n"
        "Mitral valve\nAnd a murmur.\n\nFindings\nA text that has more than six words.\n\nX\nTwo\nlines\n\n"
        "Report\nHistory: EF 20 %"
    )
    assert [part.heading for part in report.parts] == [
        "", "", "Mitral valve", "Mitral valve", "", "", "Mitral valve", "Findings", "X", "Report"
    ]  # fmt: skip


def test_a_pdf_counts_where_there_is_no_text() -> None:
    packed = base64.b64encode(pdf("EF 55 %")).decode()
    encapsulated = obx("ED", f"^application^pdf^Base64^{packed}", name="PDF^Report")
    assert only(message(encapsulated)).text == "EF 55 %"
    both = only(message(encapsulated, obx("TX", "EF 56 %")))
    assert both.text == "EF 56 %"
    assert both.notes == ("the document of observation 1 was not read: there is text beside it",)
    wrapped = "\n".join(packed[i : i + 76] for i in range(0, len(packed), 76))
    assert only(message(obx("ED", f"^application^pdf^Base64^{wrapped}"))).text == "EF 55 %"
    broken = only(message(obx("ED", "^application^pdf^Base64^!!")))
    assert broken.notes == ("1 documents are not encoded as they say: they were not read", "the report has no text")


@pytest.mark.parametrize(
    ("named", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("8859/15", "iso8859-15"), ("", "utf-8"), ("", "cp1252"),
     ("GB 18030-2000", "gb18030"), ("ISO IR87", "iso2022_jp"), ("WHATEVER", "utf-8")],
)  # fmt: skip
def test_character_sets(named: str, encoding: str) -> None:
    words = {"gb18030": "左室射血分数", "iso2022_jp": "左室駆出率"}.get(encoding, "Größe normal, altéré")
    text = message(obx("TX", words), header=f"{HEADER}||||||{named}").decode().encode(encoding)
    report = only(text)
    assert report.text == words
    assert bool(report.notes) is (named == "WHATEVER")


def test_a_byte_that_looks_like_a_bar_within_a_character_separates_nothing() -> None:
    words = "射\u8868"  # the second one ends in 0x5C or 0x7C in some character sets
    content = message(obx("TX", words + "EF"), header=f"{HEADER}||||||BIG-5").decode().encode("big5")
    assert only(content).text == words + "EF"


@pytest.mark.parametrize(
    ("order", "observation", "status"),
    [("F", "P", ResultStatus.FINAL), ("C", "F", ResultStatus.CORRECTED), ("X", "X", ResultStatus.CANCELLED),
     ("", "P", ResultStatus.PRELIMINARY), ("", "F", ResultStatus.FINAL), ("", "", ResultStatus.UNSAID)],
)  # fmt: skip
def test_status(order: str, observation: str, status: ResultStatus) -> None:
    content = message(obx("TX", "EF 55 %", status=observation))
    content = content.replace(b"ACC-77|||||||F", f"ACC-77|||||||{order}".encode())
    assert only(content).status is status


def test_times() -> None:
    zone = timezone(timedelta(hours=-5))
    assert time_in("202603010930", zone) == datetime(2026, 3, 1, 9, 30, tzinfo=zone)
    assert time_in("20260301093000.5+0100", zone) == datetime(2026, 3, 1, 8, 30, 0, 500_000, tzinfo=UTC)
    assert time_in("20260301", zone) == datetime(2026, 3, 1, tzinfo=zone)
    local = time_in("20260301", None)
    assert local is not None
    assert local.tzinfo is not None
    for wrong in ("2026", "20261345", "yesterday", "", "20260301093000+9900"):
        assert time_in(wrong, zone) is None or wrong.endswith("+9900")


def test_a_file_may_have_several_messages_a_batch_or_frames() -> None:
    one, two = message(obx("TX", "one")), message(obx("TX", "two\nMSH is no segment here"))
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + one + two + b"BTS|2\rFTS|1\r"
    framed = b"\x0b" + one + b"\x1c\r\x0b" + two + b"\x1c\r"
    for content in (one + two, batch, framed, b"\xef\xbb\xbf" + one + two):
        messages = messages_in(content)
        assert [only(m).text for m in messages] == ["one", "two\nMSH is no segment here"]
    assert messages_in(b" \r\n") == []
    assert [only(m).text for m in messages_of_frame(batch)] == ["one", "two\nMSH is no segment here"]
    for content in (one, two, b"\r\n" + one, b"noise\r" + one, b"noise", one[:30], b""):
        assert messages_of_frame(content) == [content]


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"MSH", b"MSHABCDEFGH", b"MSH|", b"PID|1||SECRET-4711",
     HEADER.replace("ORU^R01^ORU_R01", "ADT^A08").encode() + b"\rPID|1||SECRET-4711^^^H||GEHEIM^PATRICK",
     HEADER.replace("|RIS|", "|ECHOWORKER|").encode()],
)  # fmt: skip
def test_what_is_no_report_is_refused_without_its_patient(content: bytes) -> None:
    with pytest.raises(UnreadableReportError) as refused:
        read_hl7_reports(content)
    assert not any(secret in str(refused.value) for secret in (PATIENT_ID, "GEHEIM", "PATRICK"))


def test_a_report_shows_nothing_of_its_patient() -> None:
    report = only(message(obx("TX", f"{NAME} has EF 55 %")))
    for shown in (
        repr(report),
        str(report),
        repr(report.identifiers),
        repr(parse(message())),
    ):
        assert not any(secret in shown for secret in (PATIENT_ID, "GEHEIM", "PATRICK", "ACC-77"))


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_messages_raise_nothing_but_our_own_error(noise: bytes, place: int) -> None:
    whole = message(f"ZDS|{UID}", obx("FT", "a\\X41\\b\\.br\\c"), obx("ED", "^application^pdf^Base64^JVBERi0xLjQK"))
    for content in (noise, b"MSH" + noise, whole[:place] + noise + whole[place:], whole[: place % len(whole)] + noise):
        judged = judge(content)
        answer = acknowledgement(judged, our_control_id="1")
        assert answer is None or answer.startswith(b"MSH")
        try:
            read_hl7_reports(content)
        except EchoWorkerError as error:
            assert str(error).isprintable()
