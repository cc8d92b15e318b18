"""Words that look like the name of a device or a disease, and are none."""

import pytest

from tests.worker.consistency.text.test_extraction import brief


@pytest.mark.parametrize(
    "text",
    [
        "Longstanding pressure overload leads to RV remodeling.",
        "This can lead to left ventricular remodeling.",
        "12-lead ECG: sinus rhythm, right atrial abnormality.",
        "The aortic valve opens well, patient on mechanical ventilation.",
        "Video clips of the mitral valve were reviewed.",
        "Mr. Smith is a 72-year-old man with severe dyspnea.",
        "Ms. Jones has moderate hypertension.",
        "LAA EF 30 %.",
        "AI-based contours.",
    ],
)
def test_a_word_that_looks_like_a_finding_is_none(text: str) -> None:
    assert brief(text) == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Pacemaker leads to the RA and RV.", "pacemaker_lead_rv"),
        ("Mechanical aortic valve, patient on mechanical ventilation.", "aortic_prosthesis"),
        ("Clips on the mitral valve.", "mitraclip"),
        ("MR is severe.", "mitral_regurgitation"),
        ("mild mr", "mitral_regurgitation"),
        ("Severe AI.", "aortic_regurgitation"),
    ],
)
def test_the_finding_itself_is_still_read(text: str, field: str) -> None:
    assert field in [each for each, _, _ in brief(text)]
