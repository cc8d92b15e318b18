"""A report out of a file or an instance: what is in it decides how it is read."""

from datetime import date
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from reportlab.pdfgen.canvas import Canvas

from config.errors import ConfigurationError, UnreadableReportError
from config.languages import Language
from dicom_node.header import MANUFACTURER
from tests.support import echo_reports as made
from worker.consistency.reading import ReadReport, ReportReader
from worker.consistency.statements import Quantity, SourceKind, When

READER = ReportReader()
SAID = Quantity(low=55, high=60, unit="%")
HL7 = "\r".join((
    r"MSH|^~\&|RIS|H|X|Y|20260101120000||ORU^R01|1|P|2.5.1", "PID|||4711^^^H||DOE^JANE",
    "OBR|1||A1|93306^Echo|||20260101110000||||||||||||||||||F", "OBX|1|TX|R^Report||LVEF is 55-60 %.||||||F",
))  # fmt: skip


def lvef_of(report: ReadReport) -> Quantity | None:
    (statement,) = [said for said in report.reported.statements if said.field == "lvef"]
    assert "55" in report.words_of(statement.start, statement.end)
    return statement.quantity


def written(document: Dataset, folder: Path) -> Path:
    file = folder / "report"
    made.received(document).save_as(file, enforce_file_format=True)
    return file


@pytest.mark.parametrize("content", [b"LVEF is 55-60 %.", "Die LVEF beträgt 55-60 %.".encode("cp1252")])
def test_a_text_in_whichever_language(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "report.txt"
    file.write_bytes(content)
    (report,) = READER.file(file)
    assert lvef_of(report) == SAID
    assert (report.reported.id, report.reported.kind) == ("report.txt", SourceKind.TEXT_REPORT)


@pytest.mark.parametrize("name", ["result.hl7", "result"])
def test_a_message(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(HL7)
    (report,) = READER.file(file)
    assert lvef_of(report) == SAID


def test_a_message_that_takes_a_report_back_has_none(tmp_path: Path) -> None:
    file = tmp_path / "result.hl7"
    file.write_text(HL7.replace("|F\rOBX", "|X\rOBX"))
    with pytest.raises(UnreadableReportError, match="cancelled"):
        READER.file(file)


def test_a_pdf(tmp_path: Path) -> None:
    file = tmp_path / "report"
    canvas = Canvas(str(file))
    canvas.drawString(72, 720, "LVEF is 55-60 %.")
    canvas.save()
    (report,) = READER.file(file)
    assert lvef_of(report) == SAID


def test_a_machines_measurements_and_a_text_as_dicom(tmp_path: Path) -> None:
    (machine,) = READER.file(written(made.adult_echo(made.SCT), tmp_path))
    assert machine.reported.kind is SourceKind.MEASUREMENT_REPORT
    assert lvef_of(machine) == Quantity(low=55, high=55, unit="%")
    findings = made.item("CONTAINER", "CONTAINS", ("59776-5", "LN", "Findings"), [
        made.text(("121071", "DCM", "Finding"), "LVEF is 55-60 %."),
    ])  # fmt: skip
    root = ("42148-7", "LN", "Echocardiography Report")
    document = made.report(findings, root=root, template="2000", sop_class=made.BASIC_TEXT)
    (text,) = READER.file(written(document, tmp_path))
    assert lvef_of(text) == SAID
    assert text.reported.id == document.SOPInstanceUID


def test_what_we_made_ourselves_is_no_report(tmp_path: Path) -> None:
    document = made.adult_echo(made.SCT)
    document.Manufacturer = MANUFACTURER
    assert READER.instance(document) is None
    with pytest.raises(UnreadableReportError, match="one of ours"):
        READER.file(written(document, tmp_path))


def test_words_of_the_hospital_are_laid_upon_the_bundled_ones_and_a_mistake_in_them_is_told_at_once(
    tmp_path: Path,
) -> None:
    words = tmp_path / "own.toml"
    words.write_text('language = "en"\n[terms]\nlvef = ["pump figure"]\n')
    said = ReportReader([words]).text("r", "The pump figure is 55-60 %.")
    assert lvef_of(said) == SAID
    words.write_text('language = "en"\n[nonsense]\n')
    with pytest.raises(ConfigurationError, match=r"own\.toml"):
        ReportReader([words])


@pytest.mark.parametrize("text", ["EF 60. No MR. s/p MI.", "h/o MI, EF 60%", "EF 60 %\nMI 2019\nTAVR", "EF 60. MI I°."])
def test_a_text_that_fits_two_languages_is_in_that_of_our_reports_or_english(text: str) -> None:
    def leaks(reader: ReportReader) -> list[str | None]:
        said = reader.text("r", text).reported.statements
        return [each.grade for each in said if each.field == "mitral_regurgitation"]

    assert set(leaks(READER)) <= {"none"}
    assert set(leaks(ReportReader(language=Language.FRENCH))) <= {"none"}
    if "°" in text:
        assert leaks(ReportReader(language=Language.GERMAN)) == ["mild"]


def test_a_text_of_other_times_alone_is_told_of() -> None:
    told = "all that the text says is read as earlier or planned: nothing of it was compared with the images"
    assert READER.text("r", "HISTORY:\nEF 20 %. Candidate for TAVR.", ["cut"]).notes == ("cut", told)
    assert READER.text("r", "HISTORY:\nEF 20 %.\n\nValves:\nNo TAVR.").notes == ()
    assert READER.text("r", "Good morning.").notes == ()


def test_a_text_is_not_shown_where_a_report_is_printed() -> None:
    assert "Unspeakable" not in repr(READER.text("r", "Dr Unspeakable: LVEF is 55-60 %."))


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("LVEF A4C 62%, A2C 51%, BP 56%.", [56]),
        ("LVEF 55% visually. EF (Teich) 68%.", [55]),
        ("EF 4CH 62%.\nEF biplane 56%.", [56]),
        ("EF 62% (A4C).", [62]),
        ("LVEF A4C 62%, A2C 51%.", [62, 51]),
        ("EF (A4C): 62 %. Previous EF 40 %.", [62, 40]),
    ],
)
def test_values_in_one_plane_or_by_teichholz_give_way_to_any_other(text: str, percent: list[int]) -> None:
    said = [each.quantity for each in READER.text("r", text).reported.statements if each.field == "lvef"]
    assert [None if quantity is None else quantity.low for quantity in said] == percent


@pytest.mark.parametrize("day", ["12.03.2024", "03/12/2024", "12/3/24", "2024-03-12"])
def test_the_date_of_its_own_study_sets_nothing_apart(day: str) -> None:
    text = f"Echo of {day}: EF 60 %."
    for study_day, when in ((date(2024, 3, 12), When.CURRENT), (date(2026, 5, 1), When.HISTORY), (None, When.HISTORY)):
        (said,) = READER.text("r", text, study_day=study_day).reported.statements
        assert said.when is when


def test_the_day_is_that_of_the_message_or_of_the_object(tmp_path: Path) -> None:
    file = tmp_path / "report.hl7"
    file.write_bytes(HL7.replace("LVEF is 55-60 %.", "Echo of 1/1/2026: LVEF is 55-60 %.").encode())
    (report,) = READER.file(file)
    assert [said.when for said in report.reported.statements] == [When.CURRENT]
    for study_date, when in (("20240312", When.CURRENT), ("20260501", When.HISTORY)):
        said = made.text(("121071", "DCM", "Finding"), "Echo of 03/12/2024: EF 60 %.")
        root = ("42148-7", "LN", "Echocardiography Report")
        document = made.report(said, root=root, template="2000", sop_class=made.BASIC_TEXT)
        document.StudyDate = study_date
        read = READER.instance(made.received(document))
        assert read is not None
        assert [statement.when for statement in read.reported.statements] == [when]


@pytest.mark.parametrize(
    "row",
    [
        "LVEF\t38 %\t54-74 %", "LVEF      38 %      54-74 %", "LVEF (biplane)\t38\t%\t54-74", "LVEF 38 % 54-74 %",
        "EF(MOD-bp) 38 % >52 %",
    ],
)  # fmt: skip
def test_what_is_normal_stands_in_a_column_of_its_own_and_was_not_measured(tmp_path: Path, row: str) -> None:
    file = tmp_path / "report.txt"
    file.write_text(f"Measurement\tValue\tNormal\n{row}\n")
    (from_file,) = READER.file(file)
    file.write_bytes(HL7.replace("LVEF is 55-60 %.", row).encode())
    (from_message,) = READER.file(file)
    for report in (from_file, from_message):
        assert [said.quantity for said in report.reported.statements] == [Quantity(low=38, high=38, unit="%")]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("\uff2c\uff36\uff25\uff26\uff1a\uff15\uff15\uff05", 55, 55),
        ("LVEF 55\uff5e60 %", 55, 60),
        ("LVEF \u2267 55 %", 55, None),
        ("LVEF >/= 55 %", 55, None),
        ("Ejec\u00adtion fraction 55 %", 55, 55),
        ("E\u200bF 55 %", 55, 55),
        ("Fraccio\u0301n de eyeccio\u0301n del ventri\u0301culo izquierdo 55 %", 55, 55),
        ("LVEF\u00a055\u202f%", 55, 55),
    ],
)
def test_signs_of_other_keyboards_and_of_pdfs_are_read_as_ours(text: str, low: float, high: float | None) -> None:
    report = READER.text("x", text)
    (said,) = report.reported.statements
    assert said.quantity == Quantity(low=low, high=high, unit="%")
    assert report.words_of(said.start, said.end).startswith(report.words_of(0, 2)), "the place is of the text itself"


@pytest.mark.parametrize(
    "text",
    [
        "Ventricule gauche de taille normale, fonction systolique conserv\u00e9e, LVEF 60 %. Pas de pacemaker. "
        "Insuffisance mitrale minime.",
        "Ventricolo sinistro di normali dimensioni, funzione sistolica conservata. Assenza di pacemaker. "
        "Lieve insufficienza mitralica. Nessuna TAVI, atrio sinistro dilatato.",
        "\u60a3\u8005\u7537\u6027\uff0c65\u5c81\u3002\u5de6\u5ba4\u5c04\u8840\u5206\u6570 LVEF 55%\uff0c\u65e2\u5f80 "
        "LVEF 30%\u3002\u672a\u89c1\u8d77\u640f\u5668 pacemaker\u3002\u4e8c\u5c16\u74e3 \u8f7b\u5ea6\u53cd\u6d41\u3002",
    ],
)
def test_of_a_language_without_words_nothing_is_guessed_and_a_note_says_so(text: str) -> None:
    report = READER.text("x", text)
    assert report.reported.statements == ()
    (note,) = report.notes
    assert "de, en, es are known" in note
    assert "consistency.lexicons" in note


def test_a_text_of_unusual_words_of_a_known_language_is_read(tmp_path: Path) -> None:
    text = (
        "Technically difficult study due to body habitus; subcostal views were suboptimal. Trileaflet aortic valve "
        "with thickened cusps and restricted opening. Interatrial septum appears aneurysmal. LVEF 55 %."
    )
    assert lvef_of(READER.text("x", text)) == Quantity(low=55, high=55, unit="%")
    own = tmp_path / "fr.toml"
    own.write_text('language = "fr"\n[terms]\nlvef = ["FEVG"]\n[units]\n"%" = ["%"]\n')
    french = "Ventricule gauche de taille normale, fonction systolique conserv\u00e9e. FEVG 55 %. FEVG. FEVG. FEVG."
    assert lvef_of(ReportReader([own]).text("x", french)) == Quantity(low=55, high=55, unit="%")
