"""The text of reports that come as DICOM objects is what their readers wrote, in any character set."""

import logging
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pydicom
import pytest
from matplotlib.figure import Figure
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, generate_uid
from pypdf import PdfReader, PdfWriter

from config.errors import UnreadableReportError
from config.logs import configure_logs
from tests.support import echo_reports as echo
from tests.support.echo_reports import PERCENT, SCT, group, item, num, received, section, text
from tests.support.phantoms import PATIENT
from worker.consistency.documents import pdf_text, readable_text
from worker.consistency.documents.objects import kind_of_report, read_report_document
from worker.consistency.statements import SourceKind
from worker.phantom.dicom_clip import StudyIdentity
from worker.phantom.heart import sample_heart
from worker.phantom.report_documents import write_text_report
from worker.phantom.report_text import Said, report_text
from worker.phantom.styles import STYLES

REPORT: echo.Triple = ("42148-7", "LN", "Echocardiography Report")
FINDING: echo.Triple = ("121071", "DCM", "Finding")
IMPRESSION: echo.Triple = ("121073", "DCM", "Impression")
OBSERVER: echo.Triple = ("121008", "DCM", "Person Observer Name")


def heading(words: str, *content: Dataset) -> Dataset:
    return item("CONTAINER", "CONTAINS", ("H1", "99SITE", words), content)


def basic_text(*content: Dataset, character_set: str = "ISO_IR 192") -> Dataset:
    return received(
        echo.report(
            *content, root=REPORT, template="2000", sop_class=echo.BASIC_TEXT, character_set=character_set
        )
    )  # fmt: skip


def pdf_object(content: bytes) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = EncapsulatedPDFStorage, generate_uid(), "DOC"
    made.PatientName = "SECRET^PATIENT"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return received(made)


def pdf(*pages: str) -> bytes:
    """A PDF by hand (ISO 32000): one Helvetica, a line of text for each line."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for words in pages:
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in words.split("\n"))
        stream = f"BT /F1 12 Tf 72 720 Td {lines}ET".encode("latin-1") if words else b""
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % k for k in kids))
    content, offsets = b"%PDF-1.4\n", []
    for number, made in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, made)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        content
        + table
        + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(content))
    )


def test_the_reports_of_synthetic_readers_give_their_text(tmp_path: Path) -> None:
    styles = list(STYLES.values())
    for seed in range(100):
        heart, random = sample_heart(np.random.default_rng(seed)), np.random.default_rng(seed)
        said = report_text(Said.truly(heart), random)
        identity = StudyIdentity(patient=PATIENT, style=styles[seed % len(styles)], seed=seed)
        write_text_report(tmp_path / "report.dcm", identity, said)
        document = read_report_document(pydicom.dcmread(tmp_path / "report.dcm"))
        assert document.text == f"Findings\n{' '.join(said.findings)}\n\nConclusions\n{' '.join(said.conclusion)}"
        assert document.notes == ()
        findings, conclusions = document.parts
        assert document.text[findings.start : findings.end] == " ".join(said.findings)
        assert (conclusions.heading, conclusions.origin) == ("Conclusions", "item 4.1")
        assert PATIENT.name not in document.text


def test_headings_texts_codes_and_numbers_are_lines_in_their_order() -> None:
    name = item("PNAME", "HAS OBS CONTEXT", OBSERVER)
    name.PersonName = "SECRET^READER"
    motion = text(("T1", "99SITE", "Wall motion"), "normal")
    regurgitation = echo.code(FINDING, ("48724000", "SCT", "MR"), "CONTAINS")
    document = basic_text(
        name,
        heading("Left ventricle", text(FINDING, "Normal size.\r\nEF 55 %."), motion, num(echo.EF, "55", PERCENT)),
        heading("Valves", heading("Mitral valve", regurgitation)),
        text(IMPRESSION, "Normal study."),
    )
    assert read_report_document(document).text == (
        "Left ventricle\nNormal size.\nEF 55 %.\nWall motion: normal\nLeft Ventricular Ejection Fraction: 55 %\n\n"
        "Valves\n\nMitral valve\nFinding: MR\n\nImpression\nNormal study."
    )


@pytest.mark.parametrize(
    ("character_set", "words"),
    [
        ("ISO_IR 100", "Fonction systolique altérée, FE 35 %"),
        ("ISO_IR 192", "左室射血分数 55%"),
        ("ISO 2022 IR 6\\ISO 2022 IR 87", "左室駆出率 55%"),
        ("ISO 2022 IR 6\\ISO 2022 IR 149", "좌심실 박출률 55%"),
        ("GB18030", "左室射血分数 55%"),
        ("ISO_IR 144", "ФВ ЛЖ 55%"),
    ],
)
def test_text_is_decoded_in_the_character_set_of_the_object(character_set: str, words: str) -> None:
    document = basic_text(heading("Findings", text(FINDING, words)), character_set=character_set.split("\\"))
    assert read_report_document(document).text == f"Findings\n{words}"


def test_a_pdf_gives_the_text_of_its_pages() -> None:
    document = read_report_document(pdf_object(pdf("Findings\nEF 55 %", "Conclusion\nNormal.")))
    assert document.text == "Findings\nEF 55 %\nConclusion\nNormal."
    assert [part.origin for part in document.parts] == ["page 1", "page 2"]
    assert document.notes == ()


@pytest.mark.parametrize("font_type", [3, 42])
def test_a_pdf_with_embedded_fonts_gives_its_text(font_type: int) -> None:
    words = "Größe normal, EF 55 %\nLVEF is 35-40 %."
    with mpl.rc_context({"pdf.fonttype": font_type}):
        figure = Figure()
        figure.text(0.1, 0.9, words)
        content = BytesIO()
        figure.savefig(content, format="pdf")
    assert read_report_document(pdf_object(content.getvalue())).text == words


def test_a_pdf_that_is_pictures_alone_has_no_text_and_says_so() -> None:
    document = read_report_document(pdf_object(pdf("", "")))
    assert document.text == ""
    assert document.notes == ("no text: the PDF has pictures of pages, as a scanner makes them, or nothing at all",)


def test_an_encrypted_pdf_has_no_text_unless_everybody_may_read_it() -> None:
    for password, readable in (("secret", False), ("", True)):
        writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("EF 55 %"))))
        writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")  # noqa: S106
        content = BytesIO()
        writer.write(content)
        document = read_report_document(pdf_object(content.getvalue()))
        assert document.text == ("EF 55 %" if readable else "")
        assert document.notes == (() if readable else ("no text: the PDF is encrypted",))


@pytest.mark.parametrize("content", [b"", b"no PDF", b"%PDF-1.4\n", pdf("EF 55 %")[:300], b"%PDF-1.7\n" + b"<<" * 5000])
def test_a_damaged_pdf_is_a_note(content: bytes) -> None:
    document = read_report_document(pdf_object(content))
    assert document.text == ""
    assert document.notes[0].startswith("no text: ")


def test_every_cut_and_every_damaged_byte_of_a_pdf_ends_in_text_or_a_note() -> None:
    whole, random = pdf("EF 55 %", "Normal."), np.random.default_rng(1)
    for _ in range(150):
        content = bytearray(whole[: random.integers(100, len(whole))])
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(0, 256)
        document = read_report_document(pdf_object(bytes(content)))
        assert document.text or document.notes


def test_limits_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_text, "MOST_PAGES", 2)
    document = read_report_document(pdf_object(pdf("one", "two", "three")))
    assert (document.text, document.notes) == ("one\ntwo", ("the PDF has 3 pages: those after page 2 were not read",))
    monkeypatch.setattr(readable_text, "LONGEST", 5)
    document = read_report_document(basic_text(text(FINDING, "A long finding.")))
    assert document.text == "Findi"
    assert document.notes == ("the text has more than 5 characters: those behind were not read",)
    monkeypatch.setattr(pdf_text, "LARGEST_PAGE_BYTES", 10)
    drawing = read_report_document(pdf_object(pdf("one")))
    assert (drawing.text, drawing.notes[0]) == ("", "page 1 of the PDF is a drawing: it was not read")
    monkeypatch.setattr(pdf_text, "LARGEST_BYTES", 10)
    assert read_report_document(pdf_object(pdf("one"))).text == ""


@pytest.mark.parametrize("by", ["manufacturer", "equipment", "registry"])
def test_what_we_made_ourselves_is_no_report(by: str) -> None:
    document = basic_text(heading("Findings", text(FINDING, "EF 55 %")))
    ours = set()
    match by:
        case "manufacturer":
            document.Manufacturer = "EchoWorker"
        case "equipment":
            equipment = Dataset()
            equipment.Manufacturer = "EchoWorker"
            document.Manufacturer, document.ContributingEquipmentSequence = "A PACS", [equipment]
        case "registry":
            ours = {str(document.SOPInstanceUID)}
    assert read_report_document(document, ours).text == ""
    assert kind_of_report(document, ours) is None
    assert "EchoWorker made this itself" in read_report_document(document, ours).notes[0]


def test_what_an_instance_is_a_source_of() -> None:
    image = Dataset()
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "US"
    assert kind_of_report(image) is None
    assert kind_of_report(received(echo.adult_echo(SCT))) is SourceKind.MEASUREMENT_REPORT
    assert kind_of_report(basic_text(text(FINDING, "EF 55 %"))) is SourceKind.TEXT_REPORT
    assert kind_of_report(pdf_object(pdf("EF 55 %"))) is SourceKind.TEXT_REPORT
    dose = echo.report(root=("113701", "DCM", "Dose"), sop_class="1.2.840.10008.5.1.4.1.1.88.67", template=None)
    assert kind_of_report(received(dose)) is None
    tracking = text(("112039", "DCM", "Tracking Identifier"), "aortic root", "HAS OBS CONTEXT")
    for root in (("126000", "DCM", "Imaging Measurement Report"), ("R1", "99SITE", "Another")):
        assert kind_of_report(received(echo.report(tracking, root=root, template=None))) is None
    with pytest.raises(UnreadableReportError, match="neither a Structured Report nor a PDF"):
        read_report_document(image)
    measured = read_report_document(received(echo.report(section(SCT, "LV", group(num(echo.EF, "55", PERCENT))))))
    assert "Left Ventricular Ejection Fraction: 55 %" in measured.text


def test_nothing_of_a_document_is_logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(process="test")
    with caplog.at_level(logging.DEBUG):
        read_report_document(pdf_object(pdf("SECRET NAME")[:400]))
        document = read_report_document(basic_text(heading("SECRET", text(FINDING, "SECRET NAME"))))
    assert "SECRET" in document.text
    assert "SECRET" not in repr(document)
    assert "SECRET" not in caplog.text + "".join(capsys.readouterr())
