"""One page of A4 for readers without a viewer of Structured Reports: what was answered, shown, and meant by it.

The same run gives the same bytes: reportlab writes no time and no random number here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepInFrame, Spacer

from config.catalogue import Catalogue
from config.labels import ModelLabel
from db.consistency.discordances import Told
from db.results.runs import Run, Verdict
from dicom_node.report.dating import in_words, in_zone_of
from dicom_node.report.letters import written_name
from dicom_node.report.page_answers import COLUMNS, answer_rows
from dicom_node.report.page_parts import Strip, Trend, answers_table, box, strip_of_frames, trend_chart
from dicom_node.report.page_text import AMBER, FAINT, INK, RED, SLATE, PageText
from dicom_node.report.sources import report_sources
from dicom_node.report.wording import (
    compared,
    discordance_in_words,
    limits_of_use,
    provenance_of_all,
    views_seen,
)
from dicom_node.report.words import ENGLISH, Words

rl_config.useA85 = 0  # streams as bytes and not as letters: a quarter less, and most of the time that a page took

WIDTH, HEIGHT = A4
MARGIN = 14 * mm
INNER = WIDTH - 2 * MARGIN
_BAND = 20 * mm
_FOOT = 10 * mm
_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.74, 0.68)
"""Of the letters, the largest that fit are taken; what is still too long is then shrunk as a whole."""
_MEANINGLESS = (ModelLabel.UNTRAINED, ModelLabel.DEMO)


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What the page shows besides the run itself."""

    strip: Strip | None
    why_no_strip: str
    """A key of the table `no_heat_map` of the languages; empty where there is a strip."""
    trend: Trend | None
    told: Told | None = None
    """What reports of the study say against the run, in the language of the page."""


def build_page(run: Run, catalogue: Catalogue, evidence: Sequence[Dataset], shown: PageContent, words: Words) -> bytes:
    """Build the page of a run, as a PDF.

    Parameters
    ----------
    evidence
        The headers of the instances that the run used: the page names patient and study as the report does.

    Raises
    ------
    ReportError
        As `report_sources`.
    """
    file = BytesIO()
    text = PageText(words.language)
    canvas = Canvas(file, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(words.say("page.title"))
    canvas.setAuthor("EchoWorker")
    canvas.setSubject(f"{words.say('picture.label', label=run.model.label)}. {words.say('picture.not_for_diagnosis')}")
    _draw_band(canvas, run, words, text)
    source = report_sources(evidence)[0]
    below_patient = _draw_patient(canvas, source, words, text)
    _draw_foot(canvas, in_words(in_zone_of(run, source).finished_at), words, text)
    room = below_patient - _FOOT - 6 * mm
    # What does not fit is written smaller: a page that goes on overleaf would be half read.
    for scale in _SCALES:
        story = _story(run, catalogue, shown, words, PageText(words.language, scale=scale))
        if _height(story, canvas) <= room:
            break
    whole = KeepInFrame(INNER, room, story, mode="shrink")
    _, height = whole.wrapOn(canvas, INNER, room)
    whole.drawOn(canvas, MARGIN, below_patient - height)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _height(story: Sequence[Flowable], canvas: Canvas) -> float:
    return float(sum(part.wrapOn(canvas, INNER, HEIGHT)[1] + part.getSpaceBefore() for part in story))


def _draw_band(canvas: Canvas, run: Run, words: Words, text: PageText) -> None:
    """The title, and what no reader may overlook."""
    canvas.setFillColor(SLATE)
    canvas.rect(0, HEIGHT - _BAND, WIDTH, _BAND, stroke=0, fill=1)
    top = HEIGHT - 9 * mm
    canvas.setFillColor("white")
    text.draw(canvas, MARGIN, top, words.say("page.title"), 15, is_bold=True)
    canvas.setFillColor(AMBER)
    said = words.say("picture.not_for_diagnosis")
    text.draw(canvas, MARGIN, top - 6.5 * mm, f"{said} · " if text.is_chinese else said, 11, is_bold=True)
    if text.is_chinese:
        beside = MARGIN + text.width(canvas, f"{said} · ", 11)
        text.draw(canvas, beside, top - 6.5 * mm, ENGLISH.say("picture.not_for_diagnosis"), 11, is_bold=True)
    label = ENGLISH.say("picture.label", label=run.model.label)
    if not text.is_chinese:
        label = words.say("picture.label", label=run.model.label)
    width = text.width(canvas, label, 10, is_bold=True) + 6 * mm
    left = WIDTH - MARGIN - width
    canvas.setFillColor(RED if run.model.label in _MEANINGLESS else FAINT)
    canvas.roundRect(left, top - 2 * mm, width, 7 * mm, 1.2 * mm, stroke=0, fill=1)
    canvas.setFillColor("white")
    text.draw(canvas, left + 3 * mm, top + 0.3 * mm, label, 10, is_bold=True)


def _draw_patient(canvas: Canvas, source: Dataset, words: Words, text: PageText) -> float:
    """Whose study it is, in two lines; where the next thing may begin."""
    name = written_name(source.PatientName, is_chinese=text.is_chinese)
    # On a Chinese page in English, as in the band.
    elsewhere = (ENGLISH if text.is_chinese else words).say("page.see_header")
    facts = [
        ("patient", name.text if name.is_legible else f"{name.text}  {elsewhere}".strip(), 0.34),
        ("patient_id", str(source.PatientID), 0.22),
        ("birth_date", _date(source.PatientBirthDate), 0.13),
        ("study_date", _date(source.StudyDate), 0.13),
        ("accession", str(source.AccessionNumber), 0.18),
    ]
    left, top = MARGIN, HEIGHT - _BAND - 6 * mm
    for key, said, share in facts:
        width = share * INNER - 2 * mm
        canvas.setFillColor(FAINT)
        heading = words.say(f"page.{key}")
        if key == "patient" and name.is_legible and not name.is_whole:
            heading = f"{heading} · {elsewhere}"
        text.draw(canvas, left, top, heading, 7, width=width)
        canvas.setFillColor(INK)
        text.draw(canvas, left, top - 4.6 * mm, said, 10, width=width)
        left += share * INNER
    canvas.setStrokeColor(FAINT)
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN, top - 7.5 * mm, WIDTH - MARGIN, top - 7.5 * mm)
    return float(top - 10 * mm)


def _draw_foot(canvas: Canvas, made_at: str, words: Words, text: PageText) -> None:
    canvas.setFillColor(FAINT)
    said = f"{words.say('picture.not_for_diagnosis')} · {words.say('page.unverified')}"
    text.draw(canvas, MARGIN, _FOOT - 3 * mm, said, 7)
    text.draw_to(canvas, WIDTH - MARGIN, _FOOT - 3 * mm, made_at, 7)


def _story(run: Run, catalogue: Catalogue, shown: PageContent, words: Words, text: PageText) -> list[Flowable]:
    rows, story = answer_rows(run, catalogue, words), []
    if text.is_chinese:  # as in the band
        in_english = PageText(ENGLISH.language)
        story.append(in_english.paragraph(ENGLISH.say(f"limits.{run.model.label}"), in_english.warning))
    story.append(text.paragraph(words.say(f"limits.{run.model.label}"), text.warning))
    story.append(Spacer(0, 2.5 * mm))
    if rows:
        story.append(answers_table([words.say(f"page.{key}") for key in COLUMNS], rows, INNER, text))
        story += [Spacer(0, 1 * mm), text.paragraph(words.say("page.how_sure"), text.note)]
    else:
        story.append(text.paragraph(words.say("page.nothing"), text.body))
    story += [
        Spacer(0, 2 * mm),
        *(text.paragraph(said, text.small) for said in _unanswered(run, catalogue, words)),
    ]
    story += _disagreeing(run, catalogue, shown.told, words, text)
    story.append(Spacer(0, 4.5 * mm))
    if shown.strip is not None:
        story += strip_of_frames(shown.strip, INNER, words, text)
    else:
        why = words.say(f"no_heat_map.{shown.why_no_strip}")
        story.append(text.paragraph(words.say("page.no_strip", why=why), text.body))
    story.append(Spacer(0, 4.5 * mm))
    if shown.trend is not None:
        story += trend_chart(shown.trend, INNER, words, text)
    else:
        story.append(text.paragraph(words.say("page.no_trend"), text.body))
    story.append(Spacer(0, 4.5 * mm))
    views = views_seen(run, words)
    for heading, said in (
        ("limits", words.sentences(limits_of_use(run, words), views or "")),
        ("made_with", provenance_of_all(run, words)),
    ):
        story.append(text.paragraph(words.say(f"page.{heading}"), text.heading))
        story.append(text.paragraph(said, text.small))
    return story


def _disagreeing(run: Run, catalogue: Catalogue, told: Told | None, words: Words, text: PageText) -> list[Flowable]:
    """What of the study's reports does not agree, in a box; in a line, that all does."""
    if told is None:
        return []
    if not told.discordances:
        return [text.paragraph(said, text.small) for said in compared(run, catalogue, told, words)]
    said = [discordance_in_words(discordance, catalogue, words) for discordance in told.discordances]
    return [Spacer(0, 2.5 * mm), box(words.say("compared.heading"), said, INNER, text)]


def _unanswered(run: Run, catalogue: Catalogue, words: Words) -> list[str]:
    """What has none, in a sentence of each kind."""
    said = []
    for verdict, key in ((Verdict.ABSTAINED, "not_answered"), (Verdict.UNCALIBRATED, "uncalibrated")):
        names = [
            words.task(task)
            for result in run.results
            if result.verdict is verdict and (task := catalogue.task(result.task_id))
        ]
        if names:
            said.append(words.say(f"page.{key}", count=len(names), names=words.clauses(names)))
    return said


def _date(value: object) -> str:
    """A date of DICOM as ISO 8601 has it, which no two countries read differently."""
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdecimal() else text
